"""The made example: its bytes, its columns, and the loss that no model beats."""

import hashlib
import io
import math
from collections import Counter
from pathlib import Path

import numpy as np

from softmaxd_training.examples import write_example
from softmaxd_training.frames.columns import frame_of
from softmaxd_training.frames.decisions import ColumnOptions
from softmaxd_training.frames.frame import Frame
from softmaxd_training.frames.options import ReadOptions
from softmaxd_training.frames.reading import read
from softmaxd_training.subscriptions import COLUMNS, OUTCOMES, ROWS, TARGET, subscriptions
from tests.support.paths import REPOSITORY

SHA256 = "bbbc0479ebd16a3ee229516b31f644af967000e8e810ad9690c7cb0429d036ba"


def written() -> str:
    text = io.StringIO()
    write_example("subscriptions", text)
    return text.getvalue()


def frame(folder: Path) -> Frame:
    (folder / "subscriptions.csv").write_text(written())
    return frame_of(read(folder / "subscriptions.csv", ReadOptions()), ColumnOptions(TARGET, date=("since",)))


def test_its_bytes_are_the_same_everywhere() -> None:
    content = written().encode("ascii")

    assert hashlib.sha256(content).hexdigest() == SHA256


def test_it_has_numbers_texts_dates_and_gaps(tmp_path: Path) -> None:
    found = frame(tmp_path)

    kinds = {column.source: column.kind for column in found.columns}
    assert list(kinds) == [*COLUMNS, TARGET]
    assert {kinds[name] for name in ("age", "price", "hours", "calls")} == {"number"}
    assert {kinds[name] for name in ("plan", "channel", "city", "autopay")} == {"category"}
    assert kinds["since"] == "date part"
    assert "dropped" not in kinds.values()
    assert found.labels == tuple(sorted(OUTCOMES))
    gaps = {column.source for column in found.columns if column.nullable}
    assert gaps == {"age", "hours", "channel", "city"}


def test_many_of_its_cities_are_rare() -> None:
    counts = Counter(row.cells[COLUMNS.index("city")] for row in subscriptions())

    assert 8 < sum(count < 5 for count in counts.values()) < len(counts) / 2


def test_its_outcomes_have_their_true_probabilities() -> None:
    rows = list(subscriptions())
    probabilities = np.array([row.probabilities for row in rows])
    outcomes = np.array([[row.outcome == outcome for outcome in OUTCOMES] for row in rows])

    offsets = (outcomes - probabilities).sum(axis=0)
    deviations = np.sqrt((probabilities * (1 - probabilities)).sum(axis=0))
    assert (np.abs(offsets) < 4 * deviations).all()
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert outcomes.sum(axis=0).min() > 50


def test_the_documentation_has_its_rows_and_the_loss_of_its_true_probabilities() -> None:
    rows = list(subscriptions())
    loss = math.fsum(-p * math.log(p) for row in rows for p in row.probabilities) / len(rows)

    text = " ".join((REPOSITORY / "docs" / "training.md").read_text().split())
    assert f"its {ROWS} customers stay, downgrade or leave" in text
    assert f"a loss below {loss:.2f} nats" in text
