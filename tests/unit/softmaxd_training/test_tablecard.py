"""The card of a table's model agrees with its manifest, whatever that contains."""

from dataclasses import replace
from pathlib import Path

import pytest

from softmaxd.models.manifest import Manifest, Provenance
from softmaxd_training import tablecard
from softmaxd_training.frames.frame import Frame, FrameColumn
from softmaxd_training.tables.choice import Candidate
from tests.support.loans import loans
from tests.support.paths import MODELS

CHOSEN = Candidate("networks and trees", 0.25, {"networks": 0.6, "trees": 0.5}, 1.1)
OTHERS = {f"other_typicality_auroc_{kind}": 0.6 for kind in ("shuffled", "shifted", "left_out")}
LOSSES = {"networks": 0.3, "trees": 0.35, "networks and trees": 0.25}


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Frame:
    return loans(tmp_path_factory.mktemp("loans"), 100, seed=0)


def manifest_of(rows: dict[str, int], **changed: object) -> Manifest:
    """Return the manifest of the committed iris model, as if this had been the choice for its table."""
    manifest = Manifest.model_validate_json((MODELS / "iris" / "1" / "manifest.json").read_bytes())
    assert manifest.provenance is not None
    provenance: Provenance = manifest.provenance.model_copy(update={"candidates": LOSSES, "rows": rows})
    return manifest.model_copy(update={"provenance": provenance, **changed})


def text_of(frame: Frame, rows: dict[str, int], chosen: Candidate = CHOSEN, **changed: object) -> str:
    return " ".join(tablecard.card_of(manifest_of(rows, **changed), frame, chosen, file="my `loans`.csv").split())


def test_it_tells_the_candidates_and_the_choice(frame: Frame) -> None:
    text = text_of(frame, {"train": 120, "test": 30})

    assert "Predicts the `end` of a row from 4 of the columns of the table `my loans .csv`." in text
    assert "| networks | 0.3 | | | trees | 0.35 | | | networks and trees | 0.25 | chosen |" in text
    assert "| Model | a mean of 2: eight networks (Dense 64 relu, Dense 64 relu, Dense 3) and the mean of" in text
    alone = replace(CHOSEN, name="trees", weights={"trees": 1.0})
    assert "| Model | boosted trees (scikit-learn's" in text_of(frame, {"train": 120, "test": 30}, alone)


def test_it_tells_each_column(frame: Frame) -> None:
    text = text_of(frame, {"train": 120, "test": 30})

    for column in frame.columns:
        assert f"| {column.name} | {column.kind} |" in text
    many = replace(frame, columns=(*frame.columns, *[FrameColumn(f"c{n}", "number", "", f"c{n}") for n in range(99)]))
    assert "| c94 | number | | | and 4 more | | |" in text_of(many, {"train": 120, "test": 30})


def test_it_tells_whether_coverage_is_guaranteed(frame: Frame) -> None:
    small = text_of(frame, {"train": 120, "test": 30})
    large = text_of(frame, {"train": 3000, "calibration": 1000, "test": 1000})

    assert "This has no exact guarantee for so few rows: the measured coverage is the evidence." in small
    assert "has the lowest loss of the out-of-fold answers for the 30 training rows" in small
    assert "Any 1,000 and any 1,000 such rows are as likely as these, so the coverage is guaranteed" in large
    assert "with the lowest loss on the 30 calibration rows" in large


def test_it_has_the_notes(frame: Frame) -> None:
    note = "trees: fitted to 200,000 of 900,000 rows, drawn by the seed"

    assert f"- {note} ## Columns" in text_of(frame, {"train": 1, "test": 1}, notes=(note,))


def test_its_lines_are_short(frame: Frame, tmp_path: Path) -> None:
    card = tablecard.card_of(manifest_of({"train": 120, "test": 30}), frame, CHOSEN, file="loans.csv")

    assert [line for line in card.splitlines() if len(line) > 120 and not line.startswith(("|", "- "))] == []


@pytest.mark.parametrize(
    ("metrics", "told", "not_told"),
    [
        ({}, "Each point", "The atypicality of a row is"),
        ({"typicality_points": 0.0}, "distance to the nearest class mean.", "the graph"),
        (
            {"typicality_points": 0.0, **OTHERS},
            "taken only where it notices strange rows clearly better, in parts of the training rows that are held back",
            "whoever may read",
        ),
        (
            {"typicality_points": 1000.0, **OTHERS},
            "The atypicality of a row is its distance to the nearest of 1,000 training rows.",
            "nearest class mean |",
        ),
    ],
)
def test_it_tells_the_typicality_and_the_training_rows_in_it(
    frame: Frame, metrics: dict[str, float], told: str, not_told: str
) -> None:
    known = manifest_of({}).metrics

    text = text_of(frame, {"train": 120, "test": 30}, metrics={**known, **metrics})

    typicality = text.partition("## Typicality")[2].partition("## Limits")[0] + text.partition("| Model")[0]
    assert told in (typicality if metrics else text)
    assert not_told not in typicality


def test_it_has_the_words_for_a_missing_value_of_a_file(frame: Frame) -> None:
    told = "In a file, these stand for a missing value, too: `unknown`, `-999`. ## Calibration"

    assert told in text_of(frame, {"train": 1, "test": 1}, missing_words=("unknown", "-999"))
    assert "In a file," not in text_of(frame, {"train": 1, "test": 1})
