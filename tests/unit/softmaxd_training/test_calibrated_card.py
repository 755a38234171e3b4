"""The card of a model that was calibrated later agrees with its manifest."""

from softmaxd.models.manifest import Manifest
from softmaxd_training.calibrated_card import card_of
from tests.support.paths import MODELS

RANGES = {"test_loss_low": 0.01, "test_loss_high": 0.25}


def text_of(temperature: float = 1.5, *, added: float = 0.0, without: tuple[str, ...] = (), **changed: object) -> str:
    content = Manifest.model_validate_json((MODELS / "iris" / "1" / "manifest.json").read_bytes()).model_dump()
    metrics = {name: value for name, value in {**content["metrics"], **RANGES}.items() if name not in without}
    calibration = {**content["calibration"], "temperature": temperature}
    manifest = Manifest.model_validate({**content, "metrics": metrics, "calibration": calibration, **changed})
    rows = {"typicality": 1075, "calibration": 30, "testing": 30}
    return card_of(manifest, file="rows.csv", target="kind `x`", added=added, rows=rows)


def test_the_card_has_the_figures_with_their_ranges() -> None:
    text = text_of()

    assert text.startswith("# iris, version 1\n\nCalibrated with the table `rows.csv`, whose column `kind x ` has the")
    assert "| Rows | 1,075 for typicality, 30 for calibration, 30 for testing |" in text
    assert "| accuracy | 100.00% | 100.00% | 88.43% to 100.00% |" in text
    assert "| 0.01 to 0.25 |" in text
    assert "the temperature 1.5000, which makes every answer less sure." in text
    assert "It is part of the graph, and every program" in " ".join(text.split())
    assert "![" not in text


def test_a_loss_without_a_range_says_why() -> None:
    assert "| not estimable from 30 rows |" in text_of(without=("test_loss_low", "test_loss_high"))
    assert "A loss is not estimable if the 10 highest of so many rows make up" in " ".join(text_of().split())


def test_the_notes_are_the_origin() -> None:
    text = text_of(notes=["made from a [file]", "second"])

    assert text.endswith("- made from a \\[file\\]\n- second\n")


def test_a_temperature_of_one_is_explained() -> None:
    assert "The temperature is 1" in text_of(1.0)


def test_smoothing_is_explained() -> None:
    text = " ".join(text_of(added=1 / 30).split())

    assert "30 calibration rows cannot confirm less than 1 in 30. So 0.033 is added to each probability" in text
    assert "is added" not in text_of()
