"""A folder of models, the folder of one model, and the folder of one version are told from each other."""

import re
from pathlib import Path

import pytest

from softmaxd.errors import ModelError, Refused
from softmaxd.models.places import find_folder, key_by_place, refuse_single, single_model, single_version
from tests.support.onnx_models import linear, publish

GOOD = linear().SerializeToString()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for version in (2, 10):
        publish(tmp_path / "models", version, GOOD)
    return tmp_path / "models"


def test_a_folder_of_models_is_no_single_one(models: Path) -> None:
    publish(models, 1, GOOD, name="1")  # a model may have such a name, too
    (models / "manifest.json").write_text("{}")  # of something else, without a model

    assert (single_version(models), single_model(models)) == (None, None)
    refuse_single(models)
    refuse_single(models / "nowhere")


def test_models_may_have_the_names_of_the_files(models: Path) -> None:
    for name in ("manifest.json", "model.onnx"):
        publish(models, 1, GOOD, name=name)

    assert (single_version(models), single_model(models)) == (None, None)


def test_the_folder_of_a_model_has_the_name_in_its_highest_manifest(models: Path) -> None:
    moved = (models / "linear").rename(models.parent / "mnt")
    publish(moved.parent, 11, GOOD, name="other")
    (moved / "10" / "manifest.json").write_text('{"name": "renamed", "version": 10}')

    assert (single_version(moved), single_model(moved)) == (None, "renamed")
    assert key_by_place(moved / "2", moved) == ("renamed", "2")
    assert find_folder(moved, ("renamed", 2)) == moved / "2"


def test_the_folder_of_a_version_may_have_any_name(models: Path) -> None:
    moved = (models / "linear" / "2").rename(models.parent / "mnt")

    assert single_version(moved) == ("linear", 2)
    assert key_by_place(moved, moved) is None
    assert find_folder(moved, ("linear", 2)) == moved


def test_a_version_in_a_folder_of_models_has_name_and_number_of_its_place(models: Path) -> None:
    assert key_by_place(models / "linear" / "2", models) == ("linear", "2")
    assert key_by_place(models / "linear" / "2", None) == ("linear", "2")
    assert find_folder(models, ("linear", 2)) == models / "linear" / "2"
    assert find_folder(models, ("linear", 3)) == models / "linear" / "3"


def test_a_version_whose_models_folder_is_no_single_model_any_more_has_any_key(models: Path) -> None:
    assert key_by_place(models / "2", models) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "the file: Invalid JSON: EOF while parsing a value at line 1 column 0"),
        ('{"version": 1}', "name: Field required"),
        ('{"name": "../../etc", "version": 1}', "name: String should match pattern '^[A-Za-z0-9]"),
        ('{"name": "linear", "version": 0}', "version: Input should be greater than 0"),
    ],
)
def test_a_manifest_without_a_name_is_named_with_the_reason(models: Path, content: str, reason: str) -> None:
    (models / "linear" / "10" / "manifest.json").write_text(content)

    for find, folder in ((single_version, models / "linear" / "10"), (single_model, models / "linear")):
        with pytest.raises(ModelError, match=f"^manifest.json: {re.escape(reason)}"):
            find(folder)
    refuse_single(models / "nowhere")


@pytest.mark.parametrize("place", ["linear", "linear/2"])
def test_the_commands_write_only_into_a_folder_of_models(models: Path, place: str) -> None:
    reason = f"^{models / place} is the folder of a single model: give the folder of models above it$"

    with pytest.raises(Refused, match=reason):
        refuse_single(models / place)


def test_a_manifest_that_changes_is_read_again(models: Path) -> None:
    version = models / "linear" / "2"
    before = single_version(version)
    publish(models, 2, GOOD, name="other")
    (models / "other" / "2" / "manifest.json").rename(version / "manifest.json")

    assert (before, single_version(version)) == (("linear", 2), ("other", 2))
