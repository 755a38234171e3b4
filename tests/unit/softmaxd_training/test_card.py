"""The cards agree with their manifests, whatever these contain."""

import re
from typing import Any

import numpy as np
import pytest

from softmaxd.models.manifest import Manifest
from softmaxd_training import card, tablecard
from softmaxd_training.frames.frame import Frame, FrameColumn
from softmaxd_training.tables.choice import Candidate
from tests.support.paths import MODELS

CHOSEN = Candidate("linear", 0.1, {"linear": 1.0}, 1.2)
FRAME = Frame(
    np.zeros((0, 0), np.float32),
    np.zeros((0, 0), object),
    np.zeros(0, np.int64),
    labels=(),
    number_names=(),
    text_names=(),
    columns=(FrameColumn("species", "target", "3 labels", "species"),),
    notes=(),
    sha256="",
)


def manifest_of(**changed: object) -> Manifest:
    """Return the manifest of the committed iris model, with something changed."""
    content = Manifest.model_validate_json((MODELS / "iris" / "1" / "manifest.json").read_bytes()).model_dump()
    return Manifest.model_validate({**content, **changed})


def card_of(**changed: object) -> str:
    return tablecard.card_of(manifest_of(**changed), FRAME, CHOSEN, file="iris.csv")


def calibration_of(**changed: object) -> dict[str, Any]:
    calibration = manifest_of().calibration
    assert calibration is not None
    return {**calibration.model_dump(), **changed}


def evaluation_of(classes: int) -> dict[str, Any]:
    """Return tables in which one row of each class is taken for the first one, and two of the last for the second."""
    evaluation = manifest_of().evaluation
    assert evaluation is not None
    confusion = [[3] + [0] * (classes - 1), *([1] + [0] * (classes - 1) for _ in range(classes - 1))]
    confusion[-1][1] = 2
    sets = [{**row.model_dump(), "by_label": [1.0] * classes} for row in evaluation.prediction_sets]
    tables = {"confusion": confusion, "prediction_sets": sets, "prediction_sets_by_class": sets}
    return {**evaluation.model_dump(), **tables}


def calibration_of_many(classes: int) -> dict[str, Any]:
    """Return the calibration data of the committed model, with all rows those of the first class."""
    rows = [{"rows": 30, "scores": [1.0]}, *[{"rows": 0, "scores": []}] * (classes - 1)]
    return calibration_of(by_label=rows)


def test_the_committed_card_of_blobs_is_made_from_its_manifest() -> None:
    blobs = Manifest.model_validate_json((MODELS / "blobs" / "2" / "manifest.json").read_bytes())
    assert card.of_blobs(blobs, epochs=120, far=(1.0, 1 / 1001)) == (MODELS / "blobs" / "2" / "card.md").read_text()


@pytest.mark.parametrize(
    ("temperature", "words"),
    [
        (1.0, "The temperature is 1, which changes nothing."),
        (0.7, "the temperature 0.7000, which makes every answer surer."),
        (1.5, "the temperature 1.5000, which makes every answer less sure."),
        (0.9901, "the temperature 0.9901, which changes next to nothing."),
        (1.0099, "the temperature 1.0099, which changes next to nothing."),
        (0.0500001, "It is at the end of the range that is searched, 0.05 to 20: do not rely on it."),
        (19.99999, "It is at the end of the range that is searched, 0.05 to 20: do not rely on it."),
    ],
)
def test_the_card_explains_the_temperature(temperature: float, words: str) -> None:
    text = " ".join(card_of(calibration=calibration_of(temperature=temperature)).split())

    assert words in text
    assert ("do not rely" in text) == ("do not rely" in words)


@pytest.mark.parametrize("name", ["a|b", "<script>", "[x](y)", "`code`", "_em_", "two\nlines", "*"])
def test_a_name_stands_for_itself_in_a_table(name: str) -> None:
    features = [{"name": name, "min": 0.0, "max": 1.0}]
    (row,) = [line for line in card_of(features=features).splitlines() if line.startswith("| Input |")]

    escaped = re.sub(r"\\(.)", "", row)
    assert escaped.count("|") == 3
    assert not re.search(r"[<>\[\]*]|\b_|_\b", escaped.replace("`[n, 1]`", ""))
    assert re.sub(r"\\(.)", r"\1", row).endswith(f"in the training rows {' '.join(name.split())} 0 to 1 |")


def test_snake_case_is_left_as_it_is() -> None:
    assert card.plain("petal_length") == "petal_length"


def test_of_many_classes_the_most_frequent_mistakes_are_shown() -> None:
    labels = [f"class {number}" for number in range(20)]
    text = card_of(labels=labels, evaluation=evaluation_of(20), calibration=calibration_of_many(20))

    _, _, table = text.partition(
        "The most frequent mistakes:\n\n| true label | given label | rows |\n| --- | --- | ---: |\n"
    )
    rows = table.partition("\n\n")[0].splitlines()
    assert rows[:2] == ["| class 19 | class 1 | 2 |", "| class 1 | class 0 | 1 |"]
    assert len(rows) == 20
    assert "| class 0 | class 0 |" not in text


def test_of_many_features_only_some_are_shown() -> None:
    text = card_of(features=[{"name": f"f{number}", "min": 0.0, "max": 1.0} for number in range(100)])

    assert "f39 0 to 1, and 60 more (see the manifest) |" in text
    assert "f40" not in text


def test_the_limits_depend_on_the_figures() -> None:
    metrics = dict(manifest_of().metrics)

    assert "No mistake on 30 rows still allows an error rate of 11.6%" in card_of()
    assert "No mistake" not in card_of(metrics={**metrics, "test_accuracy": 0.9})
    assert "30 calibration rows are few" in card_of()


def test_lines_of_text_are_short() -> None:
    for folder in MODELS.glob("*/*"):
        lines = (folder / "card.md").read_text().splitlines()
        assert [line for line in lines if len(line) > 120 and not line.startswith(("|", "- "))] == []
