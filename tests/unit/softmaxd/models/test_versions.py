"""Versions, and the model that answers for a name."""

from dataclasses import replace

import pytest

from softmaxd.models.loading import load
from softmaxd.models.manifest import Key
from softmaxd.models.model import Model
from softmaxd.models.routes import Route
from softmaxd.models.versions import Catalogue, Version
from softmaxd.settings import Settings
from tests.support.onnx_models import linear, publish


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("models")
    return load(publish(folder, 1, linear().SerializeToString()), Settings())


def catalogue(model: Model, *ready: Key) -> Catalogue:
    """Return a catalogue of versions that are ready."""
    return Catalogue(versions={key: Version(*key, "ready", model=model) for key in ready})


def test_versions_are_sorted_by_name_then_by_number(model: Model) -> None:
    found = catalogue(model, ("b", 2), ("a", 10), ("a", 9))

    assert [(version.name, version.version) for version in found.sorted()] == [("a", 9), ("a", 10), ("b", 2)]
    assert [version.version for version in found.of("a")] == [9, 10]
    assert found.of("c") == []


def test_the_highest_version_that_is_ready_answers_for_its_name(model: Model) -> None:
    other = Model(model.manifest, model.provider, lambda _: {}, model.batcher)
    found = catalogue(model, ("a", 9)).swapped(("a", 10), Version("a", 10, "ready", model=other))

    assert found.current == {"a": other}
    assert found.swapped(("a", 10), Version("a", 10, "unloaded", "by request")).current == {"a": model}
    assert found.swapped(("a", 10), None).current == {"a": model}


def test_the_pinned_version_answers_for_its_name_while_it_is_ready(model: Model) -> None:
    other = Model(model.manifest, model.provider, lambda _: {}, model.batcher)
    found = replace(catalogue(model, ("a", 10)), pins={"a": 9, "b": 1})
    ready = found.swapped(("a", 9), Version("a", 9, "ready", model=other))

    assert ready.current == {"a": other}
    assert [version.version for version in ready.sorted() if ready.is_pinned(version)] == [9]
    assert ready.swapped(("a", 9), None).current == {"a": model}


def test_a_pinned_version_that_does_not_answer_is_a_problem_while_another_does(model: Model) -> None:
    found = replace(catalogue(model, ("linear", 1)), pins={"linear": 2, "unloaded": 1})
    rejected = found.swapped(("linear", 2), Version("linear", 2, "rejected", "it is broken"))

    assert found.problems() == ["Version 2 of linear is pinned, but there is no such version; version 1 answers"]
    assert rejected.problems() == ["Version 2 of linear is pinned, but it is rejected; version 1 answers"]
    assert rejected.swapped(("linear", 1), None).problems() == []


def test_a_route_gives_other_versions_a_share_of_the_requests_that_name_none(model: Model) -> None:
    models = [Model(model.manifest, model.provider, lambda _: {}, model.batcher) for _ in range(3)]
    for number, each in enumerate(models, start=1):
        each.key = ("linear", number)
        each.manifest = model.manifest.model_copy(update={"version": number})
    ready = {each.key: Version(*each.key, "ready", model=each) for each in models}
    found = Catalogue(versions=ready, pins={"linear": 1}, routes={"linear": Route(((2, 2500),), 3), "gone": Route()})
    ids = [b"%d" % number for number in range(100)]

    for name in ("linear", None):
        chosen = [found.choose(name, found.current["linear"], each).manifest.version for each in ids]
        assert set(chosen) == {1, 2}
        fixed = replace(found, chosen="linear/1")
        chosen = [fixed.choose(name, found.current["linear"], each).manifest.version for each in ids]
        assert set(chosen) == ({1} if name is None else {1, 2})
    assert [found.share(version) for version in found.sorted()] == [0.75, 0.25, 0.0]
    assert [found.is_shadow(version) for version in found.sorted()] == [False, False, True]
    plain = replace(found, routes={})
    assert [plain.share(version) for version in plain.sorted()] == [1.0, 0.0, 0.0]
    assert not any(plain.is_shadow(version) for version in plain.sorted())
    assert plain.choose("linear", models[0], b"1") is models[0]
    assert found.problems() == []
    problem = "Version 2 of linear should answer 25% of its requests, but there is no such version"
    assert found.swapped(("linear", 2), None).problems() == [problem]


def test_a_change_leaves_the_old_catalogue_as_it_was(model: Model) -> None:
    before = catalogue(model, ("a", 1))

    after = before.swapped(("a", 1), None)

    assert list(before.versions) == [("a", 1)]
    assert (after.versions, after.current, after.default) == ({}, {}, None)


@pytest.mark.parametrize(
    ("ready", "chosen", "default"),
    [
        ([("a", 1), ("a", 2)], None, ("a", 2)),
        ([("a", 1), ("b", 1)], None, None),
        ([("a", 1), ("blobs", 1)], None, ("blobs", 1)),
        ([("a", 1), ("blobs", 1)], "a", ("a", 1)),
        ([("a", 1)], "b", None),
        ([("a", 1), ("a", 2)], "a/1", ("a", 1)),
        ([("a", 1), ("a", 2)], "a/3", None),
    ],
)
def test_the_default_is_the_chosen_model_or_version_or_the_only_model_or_blobs(
    model: Model, ready: list[Key], chosen: str | None, default: Key | None
) -> None:
    models = {key: Model(model.manifest, model.provider, lambda _: {}, model.batcher) for key in ready}
    found = Catalogue(chosen, {key: Version(*key, "ready", model=each) for key, each in models.items()})

    assert found.default is (None if default is None else models[default])
