"""A store that is a folder."""

import errno
import os
from pathlib import Path

import pytest

from softmaxd.delivery.folder import Folder
from softmaxd.delivery.store import Absent
from softmaxd.errors import ModelError


def read(store: Folder, start: int = 0, validator: str | None = None) -> tuple[bytes, int, str | None]:
    """Return the bytes of the file `a`, the first one's place, and the validator."""
    with store.stream("a", start, validator) as stream:
        return b"".join(stream.chunks), stream.start, stream.validator


def test_a_file_is_read_from_where_it_broke_off(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    store.write("a", b"0123456789")
    whole, _, validator = read(store)

    assert whole == b"0123456789"
    assert read(store, 4, validator)[:2] == (b"456789", 4)
    assert read(store, 4)[:2] == (b"456789", 4)
    assert read(store, 11)[:2] == (b"0123456789", 0)


def test_a_file_that_has_changed_is_read_anew(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    store.write("a", b"0123456789")
    validator = read(store)[2]
    store.write("a", b"abcdefghij")

    assert read(store, 4, validator)[:2] == (b"abcdefghij", 0)


@pytest.mark.parametrize("folder", ["none", "file"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(Absent, match=rf"^there is no {tmp_path}/{folder}/a$"):
        read(Folder(tmp_path / folder))


def test_no_pipe_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")

    with pytest.raises(ModelError, match=r"^a is a named pipe, not a regular file$"):
        read(Folder(tmp_path))


@pytest.mark.parametrize("has_links", [True, False])
def test_a_name_is_given_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool) -> None:
    if not has_links:
        monkeypatch.setattr(os, "link", fail_without_links)
    store = Folder(tmp_path / "new" / "store")
    for number in (1, 2):
        (tmp_path / str(number)).write_text(str(number))

    assert [store.create("a", tmp_path / "1"), store.create("a", tmp_path / "2")] == [True, False]
    assert read(store)[0] == b"1"
    assert store.names() == ["a"]


def fail_without_links(*_: object) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")  # as Linux answers on vfat


def test_a_disk_that_takes_no_name_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", fail)
    (tmp_path / "1").touch()

    with pytest.raises(OSError, match=rf"No space left on device: '{tmp_path}/store/a'"):
        Folder(tmp_path / "store").create("a", tmp_path / "1")


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    store = Folder(tmp_path / "store")

    with pytest.raises(OSError, match=r"No such file or directory: '.*none'"):
        store.create("a", tmp_path / "none")

    assert store.names() == []
