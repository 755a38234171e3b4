"""Versions, and the model that answers for a name."""

import pytest

from softmaxd.models.folders import Key
from softmaxd.models.loading import load
from softmaxd.models.model import Model
from softmaxd.models.versions import Catalogue, Version
from softmaxd.settings import Settings
from tests.support.onnx_models import linear, publish


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("models")
    return load(publish(folder, 1, linear().SerializeToString()), Settings())


def catalogue(model: Model, *ready: Key, chosen: str | None = None) -> Catalogue:
    """Return a catalogue of versions that are ready."""
    found = Catalogue()
    for name, version in ready:
        found = found.swapped((name, version), Version(name, version, "ready", model=model), chosen)
    return found


def test_versions_are_sorted_by_name_then_by_number(model: Model) -> None:
    found = catalogue(model, ("b", 2), ("a", 10), ("a", 9))

    assert [(version.name, version.version) for version in found.sorted()] == [("a", 9), ("a", 10), ("b", 2)]
    assert [version.version for version in found.of("a")] == [9, 10]
    assert found.of("c") == []


def test_the_highest_version_that_is_ready_answers_for_its_name(model: Model) -> None:
    other = Model(model.manifest, model.provider, lambda _: {}, model.batcher)
    found = catalogue(model, ("a", 9)).swapped(("a", 10), Version("a", 10, "ready", model=other), None)

    assert found.newest == {"a": other}
    assert found.swapped(("a", 10), Version("a", 10, "unloaded", "by request"), None).newest == {"a": model}
    assert found.swapped(("a", 10), None, None).newest == {"a": model}


def test_a_change_leaves_the_old_catalogue_as_it_was(model: Model) -> None:
    before = catalogue(model, ("a", 1))

    after = before.swapped(("a", 1), None, None)

    assert list(before.versions) == [("a", 1)]
    assert (after.versions, after.newest, after.default) == ({}, {}, None)


@pytest.mark.parametrize(
    ("names", "chosen", "default"),
    [
        (["a"], None, "a"),
        (["a", "b"], None, None),
        (["a", "blobs"], None, "blobs"),
        (["a", "blobs"], "a", "a"),
        (["a"], "b", None),
    ],
)
def test_the_default_is_the_chosen_model_or_the_only_one_or_blobs(
    model: Model, names: list[str], chosen: str | None, default: str | None
) -> None:
    assert catalogue(model, *((name, 1) for name in names), chosen=chosen).default == default
