"""The version folders that are there, and those that are away for now."""

import errno
import os
import resource
from pathlib import Path

import pytest

from softmaxd.errors import StartupError
from softmaxd.models import folders
from softmaxd.models.folders import Found, look, look_first, stamp
from softmaxd.models.pins import PIN_FILE
from tests.support.onnx_models import linear, publish

NOT_THERE = os.strerror(errno.ENOENT)
LOOP = os.strerror(errno.ELOOP)


def paths(found: Found) -> dict[tuple[str, int], Path]:
    return {key: folder for key, (folder, _) in found.folders.items()}


def test_version_folders_have_a_number_without_leading_zero(tmp_path: Path) -> None:
    for name in ("a/1", "a/10", "a/01", "a/0", "a/x", "a/١", "a/.2", ".hidden/1", "b/3"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "b" / "4").touch()
    (tmp_path / "README.md").touch()

    found = look(tmp_path)

    assert paths(found) == {
        ("a", 1): tmp_path / "a" / "1",
        ("a", 10): tmp_path / "a" / "10",
        ("b", 3): tmp_path / "b" / "3",
    }
    assert found.problems() == []


def test_links_to_folders_are_followed_and_links_to_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "x" / "1").mkdir(parents=True)
    (tmp_path / "file").touch()
    models = tmp_path / "models"
    (models / "b").mkdir(parents=True)
    (models / "a").symlink_to(tmp_path / "elsewhere" / "x")
    (models / "b" / "2").symlink_to(tmp_path / "elsewhere" / "x" / "1")
    (models / "b" / "3").symlink_to(tmp_path / "file")
    (models / "c").symlink_to(tmp_path / "file")

    assert set(look(models).folders) == {("a", 1), ("b", 2)}
    assert look(models).problems() == []


def test_a_folder_that_cannot_be_read_is_named_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "a" / "1").mkdir(parents=True)
    (tmp_path / "away").symlink_to(tmp_path / "nowhere")
    for name in ("loop", "lost+found"):  # no model can have the second name
        (tmp_path / name).symlink_to(tmp_path / name)
    (tmp_path / "a\x1b\udcff").mkdir()

    found = look(tmp_path)

    assert set(found.folders) == {("a", 1)}
    assert found.problems() == [
        r"The folder of a\x1b\udcff cannot be read: no model has a name with such characters",
        f"The folder of away cannot be read: {NOT_THERE}",
        f"The folder of loop cannot be read: {LOOP}",
    ]


def test_only_a_version_whose_folder_was_read_can_be_gone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "2").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a" / "3").symlink_to(tmp_path / "a" / "3")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    found = look(tmp_path)

    gone = {key for key in (("a", 1), ("a", 2), ("a", 3), ("b", 1), ("loop", 1)) if found.is_gone(key)}
    assert gone == {("a", 1), ("b", 1)}
    assert not look(tmp_path / "nowhere").is_gone(("a", 1))


def test_pins_are_found_and_a_wrong_one_is_named_beside_its_versions(tmp_path: Path) -> None:
    for name, pin in (("a", "2\n"), ("b", "newest")):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / PIN_FILE).write_text(pin)

    found = look(tmp_path)

    assert found.pins == {"a": 2}
    assert set(found.folders) == {("a", 1), ("b", 1)}
    assert found.problems() == [f"The folder of b cannot be read: {PIN_FILE} has no number of a version"]
    assert [name for name in ("a", "b") if found.is_away(name)] == ["b"]


def test_the_pinned_version_answers_and_else_the_highest_one(tmp_path: Path) -> None:
    for number in (2, 10, 9):
        (tmp_path / "a" / str(number)).mkdir(parents=True)
    assert look(tmp_path).versions_of("a") == [10, 9, 2]
    assert look(tmp_path).versions_of("b") == []

    (tmp_path / "a" / PIN_FILE).write_text("9\n")
    assert look(tmp_path).versions_of("a") == [9, 10, 2]


def test_an_entry_that_cannot_be_examined_may_be_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "1").mkdir(parents=True)

    class Entry:
        name = "1"

        def is_dir(self) -> bool:
            raise OSError(errno.EIO, "Input/output error")

    assert folders._may_be_folder(Entry())  # type: ignore[arg-type] # it has all that is used


def test_without_a_free_descriptor_nothing_is_gone(tmp_path: Path) -> None:
    (tmp_path / "a" / "1").mkdir(parents=True)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        found = look(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert found.problems() == [f"The models folder cannot be read: {os.strerror(errno.EMFILE)}"]
    assert not found.is_gone(("a", 1))


def test_the_first_look_names_a_folder_of_models_that_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert look_first(tmp_path).folders == {}

    for name in ("none", "file"):
        with pytest.raises(StartupError, match=f"{tmp_path}/{name} is not a folder; set the folder of models"):
            look_first(tmp_path / name)
    with pytest.raises(StartupError, match=f"^{tmp_path}/loop cannot be read: {LOOP}$"):
        look_first(tmp_path / "loop")


@pytest.mark.parametrize("file", ["manifest.json", "model.onnx"])
def test_the_stamp_changes_with_each_file(tmp_path: Path, file: str) -> None:
    folder = publish(tmp_path, 1, linear().SerializeToString())
    before = stamp(folder)
    assert stamp(folder) == before

    os.utime(folder / file, ns=(0, 0))
    touched = stamp(folder)
    (folder / file).unlink()

    assert len({before, touched, stamp(folder)}) == 3


def test_the_folder_of_one_model_has_its_versions_and_its_pin(tmp_path: Path) -> None:
    for version in (1, 2):
        publish(tmp_path, version, linear().SerializeToString())
    folder = (tmp_path / "linear").rename(tmp_path / "mnt")
    (folder / "3").mkdir()  # its files are on their way
    (folder / PIN_FILE).write_text("1")

    found = look(folder)

    assert paths(found) == {("linear", version): folder / str(version) for version in (1, 2, 3)}
    assert (found.pins, found.problems()) == ({"linear": 1}, [])


def test_the_folder_of_one_version_has_this_version(tmp_path: Path) -> None:
    folder = publish(tmp_path, 2, linear().SerializeToString()).rename(tmp_path / "mnt")

    assert paths(look(folder)) == {("linear", 2): folder}
    assert look(folder).folders["linear", 2][1] == stamp(folder)


@pytest.mark.parametrize("place", ["linear", "linear/1"])
def test_the_folder_of_one_model_without_a_name_does_not_start(tmp_path: Path, place: str) -> None:
    publish(tmp_path, 1, linear().SerializeToString())
    (tmp_path / "linear" / "1" / "manifest.json").write_text("{}")

    with pytest.raises(StartupError, match=r" cannot be read: manifest\.json: name: Field required$"):
        look_first(tmp_path / place)
