"""The file that names the pinned version of a model."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from softmaxd.errors import ModelError
from softmaxd.models.pins import PIN_FILE, is_version, read_pin, remove_pin, write_pin


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", True), ("10", True), ("9" * 18, True), ("9" * 19, False), ("01", False), ("0", False), ("", False)]
    + [(text, False) for text in ("+1", "1.0", "x", "١")],
)
def test_a_version_has_one_form(text: str, expected: bool) -> None:
    assert is_version(text) is expected


def test_a_pin_is_written_over_and_removed(tmp_path: Path) -> None:
    before = read_pin(tmp_path)
    write_pin(tmp_path, 9)
    write_pin(tmp_path, 10**17)
    pinned = read_pin(tmp_path)
    remove_pin(tmp_path)
    remove_pin(tmp_path)

    assert (before, pinned, read_pin(tmp_path)) == (None, 10**17, None)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may have content, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_pin_that_cannot_be_written_is_named_and_the_old_one_stays(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    write_pin(tmp_path, 1)
    request.getfixturevalue("full_disk")

    with pytest.raises(OSError, match=f"{PIN_FILE}'$"):
        write_pin(tmp_path, 2)

    assert read_pin(tmp_path) == 1
    assert [path.name for path in tmp_path.iterdir()] == [PIN_FILE]


@pytest.mark.parametrize("content", [b"", b"one", b"1 2", "١".encode(), b"\xff", b"0"])
def test_another_content_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PIN_FILE).write_bytes(content)

    with pytest.raises(ModelError, match=rf"^{PIN_FILE} has no number of a version$"):
        read_pin(tmp_path)


def test_a_pin_is_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / PIN_FILE)

    with pytest.raises(ModelError, match="is a named pipe, not a regular file"):
        read_pin(tmp_path)


def test_a_pin_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / PIN_FILE).mkdir()

    with pytest.raises(IsADirectoryError):
        write_pin(tmp_path, 1)

    assert [path.name for path in tmp_path.iterdir()] == [PIN_FILE]
