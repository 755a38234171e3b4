"""All of a version is published, or nothing."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from softmaxd.errors import Refused
from softmaxd.models import hidden
from softmaxd.models.loading import read_manifest
from softmaxd.models.pins import write_pin
from softmaxd.models.publishing import copy_version, next_version, remove_version
from tests.support.onnx_models import linear, publish

GOOD = linear().SerializeToString()


def test_versions_count_up_from_the_highest(tmp_path: Path) -> None:
    for name in ("2", "10", ".unfinished-99-1", "notes"):
        (tmp_path / name).mkdir()

    with next_version(tmp_path) as (folder, number):
        (folder / "card.md").write_text("eleventh")

    assert number == 11
    assert (tmp_path / "11" / "card.md").read_text() == "eleventh"


def test_a_version_has_no_version_name_until_it_is_complete(tmp_path: Path) -> None:
    with next_version(tmp_path) as (folder, _):
        assert folder.parent == tmp_path
        assert folder.name.startswith(".")
        assert [path for path in tmp_path.iterdir() if path.name.isdecimal()] == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, Refused, OSError])
def test_an_exception_leaves_nothing_behind(tmp_path: Path, error: type[BaseException]) -> None:
    def write() -> None:
        with next_version(tmp_path / "new") as (folder, _):
            (folder / "model.onnx").write_bytes(b"half")
            raise error

    with pytest.raises(error):
        write()

    assert list(tmp_path.iterdir()) == []


def test_an_exception_leaves_a_folder_that_was_there(tmp_path: Path) -> None:
    def write() -> None:
        with next_version(tmp_path):
            raise Refused("no")

    with pytest.raises(Refused, match="no"):
        write()

    assert tmp_path.exists()


def test_a_version_that_came_into_being_in_the_meantime_is_not_overwritten(tmp_path: Path) -> None:
    def write() -> None:
        with next_version(tmp_path) as (folder, _):
            (folder / "card.md").write_text("second")
            (tmp_path / "1").mkdir()
            (tmp_path / "1" / "card.md").write_text("first")

    with pytest.raises(Refused, match="version 1 has been published"):
        write()

    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    assert (tmp_path / "1" / "card.md").read_text() == "first"


def test_two_runs_with_the_same_process_number_write_into_folders_of_their_own(tmp_path: Path) -> None:
    def write() -> None:
        with next_version(tmp_path) as (folder, _):
            (folder / "card.md").write_text("first")
            with next_version(tmp_path) as (other, _):  # as in another container
                (other / "card.md").write_text("second")

    with pytest.raises(Refused, match="version 1 has been published"):
        write()

    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    assert (tmp_path / "1" / "card.md").read_text() == "second"


def test_a_removal_that_was_killed_is_in_nobodys_way(tmp_path: Path) -> None:
    first, second = (publish(tmp_path, version, GOOD) for version in (1, 2))
    shutil.copytree(second, first.with_name(f".removed-2-{os.getpid()}"))

    remove_version(second)

    assert sorted(path.name for path in first.parent.iterdir()) == [f".removed-2-{os.getpid()}", "1"]


@pytest.mark.parametrize("write", [lambda folder: write_pin(folder, 1), lambda folder: remove_version(folder / "2")])
def test_each_write_removes_old_leftovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(hidden, "OLD", -60.0)
    first, _ = (publish(tmp_path, version, GOOD) for version in (1, 2))
    leftover = first.with_name(".unfinished-1")
    leftover.mkdir()

    write(first.parent)
    gone = not leftover.exists()
    leftover.mkdir()
    copy_version(first, read_manifest(first), tmp_path / "other")

    assert gone
    assert not leftover.exists()


def test_a_rename_that_fails_for_another_reason_is_told_as_it_is(tmp_path: Path) -> None:
    def write() -> None:
        with next_version(tmp_path) as (folder, _):
            folder.rmdir()

    with pytest.raises(FileNotFoundError):
        write()

    assert list(tmp_path.iterdir()) == []


def test_a_removed_version_takes_an_empty_model_along(tmp_path: Path) -> None:
    first, second = (publish(tmp_path, version, GOOD) for version in (1, 2))

    remove_version(second)
    left = [path.name for path in first.parent.iterdir()]
    remove_version(first)

    assert left == ["1"]
    assert list(tmp_path.iterdir()) == []


def test_of_a_version_that_is_a_link_only_the_link_is_removed(tmp_path: Path) -> None:
    elsewhere = publish(tmp_path / "elsewhere", 1, GOOD)
    (tmp_path / "linear").mkdir()
    (tmp_path / "linear" / "1").symlink_to(elsewhere)

    remove_version(tmp_path / "linear" / "1")

    assert not (tmp_path / "linear").exists()
    assert sorted(path.name for path in elsewhere.iterdir()) == ["manifest.json", "model.onnx"]


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("# linear, version 1\n\nText.\n", "# other, version 1\n\n- copied from linear version 1\n\nText.\n"),
        ("Text.\n", "# other, version 1\n\n- copied from linear version 1\nText.\n"),
        (None, "# other, version 1\n\n- copied from linear version 1\n"),
    ],
)
def test_a_copy_has_its_own_name_and_number_and_loads(tmp_path: Path, card: str | None, expected: str) -> None:
    source = publish(tmp_path, 1, GOOD)
    (source / "data.png").write_bytes(b"picture")
    (source / ".hidden").touch()
    if card is not None:
        (source / "card.md").write_text(card)

    copied = copy_version(source, read_manifest(source), tmp_path / "other")

    manifest = read_manifest(copied)
    assert copied == tmp_path / "other" / "1"
    assert (manifest.name, manifest.version, manifest.notes) == ("other", 1, ("copied from linear version 1",))
    assert (copied / "card.md").read_text() == expected
    assert sorted(path.name for path in copied.iterdir()) == ["card.md", "data.png", "manifest.json", "model.onnx"]
    assert copy_version(source, read_manifest(source), source.parent).name == "2"


def test_nothing_is_published_into_the_folder_of_a_single_model(tmp_path: Path) -> None:
    first = publish(tmp_path, 1, linear().SerializeToString())

    with pytest.raises(Refused, match=r" is the folder of a single model: give the folder of models above it$"):
        copy_version(first, read_manifest(first), first.parent / "other")
    assert not (first.parent / "other").exists()
