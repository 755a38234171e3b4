import asyncio
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from softmaxd.errors import ModelError, ModelNotFound, NotReady, StartupError
from softmaxd.models.manifest import Key
from softmaxd.models.pins import write_pin
from softmaxd.models.repository import Repository
from softmaxd.models.routes import Route, write_route
from softmaxd.settings import Settings
from tests.support.onnx_models import linear, publish

GOOD = linear().SerializeToString()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    publish(tmp_path / "models", 1, GOOD)
    return tmp_path / "models"


def repository(models: Path, shared: Path | None = None, *, default_model: str | None = None) -> Repository:
    return Repository(Settings(models_dir=models, default_model=default_model, reload_interval=0), shared_folder=shared)


def states(repository: Repository) -> dict[tuple[str, int], str]:
    return {(version.name, version.version): version.state for version in repository.states()}


def test_the_highest_version_answers_by_default(models: Path) -> None:
    for version in (2, 10):
        publish(models, version, GOOD)

    found = repository(models)

    assert found.find("linear").manifest.version == 10
    assert found.find(None).manifest.version == 10
    assert found.find("linear", "2").manifest.version == 2
    assert [model.manifest.version for model in found.all()] == [1, 2, 10]


@pytest.mark.parametrize(
    "version", ["3", "01", "+1", "1.0", "", "x", "١", "-1", "0", pytest.param("9" * 5000, id="long")]
)
def test_a_version_is_found_by_its_number_alone(models: Path, version: str) -> None:
    with pytest.raises(ModelNotFound):
        repository(models).find("linear", version)


def test_without_a_default_a_name_is_needed(models: Path) -> None:
    publish(models, 1, GOOD, name="other")
    found = repository(models)

    assert found.default is None
    with pytest.raises(ModelNotFound, match="no default model"):
        found.find(None)


def test_blobs_is_the_default_beside_others(models: Path) -> None:
    publish(models, 1, GOOD, name="blobs")

    assert repository(models).find(None).manifest.name == "blobs"


def test_the_chosen_default_is_missed_when_it_has_gone(models: Path) -> None:
    publish(models, 1, GOOD, name="other")
    found = repository(models, default_model="other")
    found.check_ready()

    (models / "other").rename(models / ".gone")
    found.update()

    assert found.default is None
    with pytest.raises(NotReady, match=r"^The default model other is not loaded$"):
        found.check_ready()
    with pytest.raises(NotReady, match=r"^The default model other is not loaded$"):
        found.find(None)


def test_one_version_can_be_the_default(models: Path) -> None:
    publish(models, 2, GOOD)
    found = repository(models, default_model="linear/1")
    assert (found.find(None).manifest.version, found.find("linear").manifest.version) == (1, 2)

    (models / "linear" / "1").rename(models / "linear" / ".gone")
    found.update()

    with pytest.raises(NotReady, match=r"^The default model linear/1 is not loaded$"):
        found.check_ready()
    with pytest.raises(NotReady, match=r"^The default model linear/1 is not loaded$"):
        found.find(None)


def test_the_id_of_a_request_chooses_its_version_by_the_route_unless_it_names_one(models: Path) -> None:
    for version in (2, 10):
        publish(models, version, GOOD)
    write_pin(models / "linear", 2)
    write_route(models / "linear", Route(((10, 5000),)))
    found = repository(models)
    ids = [b"%d" % number for number in range(20)]

    for name in (None, "linear"):
        assert {found.find(name, None, each).manifest.version for each in ids} == {2, 10}
        assert {found.find(name, "2", each).manifest.version for each in ids} == {2}
        assert found.find(name).manifest.version == 2
    assert [found.share(version) for version in found.states()] == [0.0, 0.5, 0.5]
    assert not any(found.is_shadow(version) for version in found.states())


def test_a_pinned_version_answers_for_its_name_and_as_the_default(models: Path) -> None:
    publish(models, 2, GOOD)
    write_pin(models / "linear", 1)

    found = repository(models)

    assert [model.manifest.version for model in (found.find(None), found.find("linear"))] == [1, 1]
    assert found.find("linear", "2").manifest.version == 2
    assert [version.version for version in found.states() if found.is_pinned(version)] == [1]


def test_a_model_can_be_unloaded_and_loaded_again(models: Path) -> None:
    found = repository(models)

    found.unload("linear")
    unloaded = states(found)
    with pytest.raises(ModelNotFound):
        found.find("linear")
    found.update()
    found.load("linear")

    assert unloaded == {("linear", 1): "unloaded"}
    assert states(found) == {("linear", 1): "ready"}
    assert found.find("linear").run(np.zeros((1, 2), dtype=np.float32))["logits"].tolist() == [[0, 0, 0]]


def test_what_one_worker_unloads_the_others_unload_too(models: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    first, second = repository(models, shared), repository(models, shared)

    first.unload("linear")
    second.update()
    unloaded = states(second)
    second.load("linear")
    first.update()

    assert unloaded == {("linear", 1): "unloaded"}
    assert states(first) == {("linear", 1): "ready"}


def test_a_worker_that_comes_later_unloads_it_from_the_start(models: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    repository(models, shared).unload("linear")

    assert states(repository(models, shared)) == {("linear", 1): "unloaded"}


def test_loading_says_why_a_model_cannot_be_served(models: Path) -> None:
    found = repository(models)
    publish(models, 1, b"broken", name="other")
    found.update()

    with pytest.raises(ModelError, match="not an ONNX file"):
        found.load("other")


@pytest.mark.parametrize("change", ["load", "unload"])
def test_an_unknown_model_can_be_neither_loaded_nor_unloaded(models: Path, change: str) -> None:
    with pytest.raises(ModelNotFound):
        getattr(repository(models), change)("nope")


def test_a_version_that_is_replaced_by_a_broken_one_goes_on_being_served(models: Path) -> None:
    found = repository(models)
    (models / "linear" / "1" / "model.onnx").write_bytes(b"broken")

    found.update()

    (version,) = found.states()
    assert (version.state, version.model) == ("ready", found.find("linear"))
    assert "does not match its manifest" in version.reason


def test_a_folder_that_is_no_version_is_passed_over(models: Path) -> None:
    for name in ("notes", "007", "-1", ".2"):
        (models / "linear" / name).mkdir()
    (models / "linear" / "5").write_text("a file")

    assert states(repository(models)) == {("linear", 1): "ready"}


def test_an_empty_folder_is_served_until_the_first_model_arrives(tmp_path: Path) -> None:
    found = repository(tmp_path)
    for ask in (found.check_ready, lambda: found.find(None)):
        with pytest.raises(NotReady, match=f"^No model is loaded from the folder {tmp_path.name}$"):
            ask()
    with pytest.raises(ModelNotFound):
        found.find("linear")
    assert found.any() is None

    publish(tmp_path, 1, GOOD)
    found.update()

    found.check_ready()
    assert found.any() is found.find(None)


def test_a_model_of_which_no_version_loads_is_rejected_and_the_others_are_served(models: Path) -> None:
    publish(models, 1, b"broken", name="other")

    assert states(repository(models)) == {("linear", 1): "ready", ("other", 1): "rejected"}


@pytest.mark.parametrize("required", [["other"], ["linear", "other"]])
def test_a_required_model_of_which_no_version_loads_stops_the_start(models: Path, required: list[str]) -> None:
    publish(models, 1, b"broken", name="other")
    settings = Settings(models_dir=models, required_models=tuple(required))

    with pytest.raises(StartupError, match=r"/other/1: model\.onnx is not an ONNX file"):
        Repository(settings)


def test_a_required_model_that_is_not_there_stops_the_start(models: Path) -> None:
    with pytest.raises(StartupError, match=r"/models has linear, but the model other is required$"):
        Repository(Settings(models_dir=models, required_models=("other",)))


def test_the_service_is_not_ready_without_a_required_model(models: Path) -> None:
    found = Repository(Settings(models_dir=models, required_models=("linear",), reload_interval=0))
    found.check_ready()

    found.unload("linear")
    publish(models, 1, GOOD, name="other")
    found.update()

    with pytest.raises(NotReady, match=r"^The required model linear is not loaded$"):
        found.check_ready()


def test_the_rows_that_wait_are_counted_by_version(models: Path) -> None:
    publish(models, 2, GOOD)
    found = repository(models)

    async def main() -> Mapping[Key, int]:
        for version, rows in (("1", 2), ("2", 3)):
            found.find("linear", version).batcher.submit(np.zeros((rows, 2), dtype=np.float32), lambda _outcome: None)
        return found.queued_rows()

    assert asyncio.run(main()) == {("linear", 1): 2, ("linear", 2): 3}


def test_a_device_that_does_not_work_stops_the_start(models: Path) -> None:
    with pytest.raises(StartupError, match=r"^device is cuda, but "):
        Repository(Settings(models_dir=models, device="cuda"))


@pytest.mark.usefixtures("cuda_without_its_libraries")
def test_a_device_whose_libraries_are_missing_stops_the_start(models: Path) -> None:
    with pytest.raises(StartupError, match=r"^device is cuda, but "):
        Repository(Settings(models_dir=models, device="cuda"))


@pytest.mark.parametrize("place", ["other", "other/1"])
def test_a_required_model_that_is_rejected_is_named_by_its_folder(models: Path, place: str) -> None:
    publish(models, 1, b"broken", name="other")

    with pytest.raises(StartupError, match=r"/models/other/1: model\.onnx is not an ONNX file"):
        Repository(Settings(models_dir=models / place, required_models=("other",)))


def test_a_required_model_of_an_empty_folder_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=f"^{tmp_path} has no model, but the model other is required$"):
        Repository(Settings(models_dir=tmp_path, required_models=("other",)))
