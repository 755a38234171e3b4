"""All of a version is published, or nothing."""

from pathlib import Path

import pytest

from softmaxd.errors import Refused
from softmaxd.models.publishing import next_version


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
    def publish() -> None:
        with next_version(tmp_path / "new") as (folder, _):
            (folder / "model.onnx").write_bytes(b"half")
            raise error

    with pytest.raises(error):
        publish()

    assert list(tmp_path.iterdir()) == []


def test_an_exception_leaves_a_folder_that_was_there(tmp_path: Path) -> None:
    def publish() -> None:
        with next_version(tmp_path):
            raise Refused("no")

    with pytest.raises(Refused, match="no"):
        publish()

    assert tmp_path.exists()


def test_a_version_that_came_into_being_in_the_meantime_is_not_overwritten(tmp_path: Path) -> None:
    def publish() -> None:
        with next_version(tmp_path) as (folder, _):
            (folder / "card.md").write_text("second")
            (tmp_path / "1").mkdir()
            (tmp_path / "1" / "card.md").write_text("first")

    with pytest.raises(Refused, match="version 1 has been published"):
        publish()

    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    assert (tmp_path / "1" / "card.md").read_text() == "first"


def test_a_rename_that_fails_for_another_reason_is_told_as_it_is(tmp_path: Path) -> None:
    def publish() -> None:
        with next_version(tmp_path) as (folder, _):
            folder.rmdir()

    with pytest.raises(FileNotFoundError):
        publish()

    assert list(tmp_path.iterdir()) == []
