"""Only regular files are opened, and a file that cannot be read is told from one that is wrong."""

import hashlib
import os
import socket
from pathlib import Path

import pytest

from softmaxd.errors import ModelError
from softmaxd.models.files import open_regular, read_regular, sha256


def test_a_regular_file_is_read_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")

    for name in ("file", "link"):
        assert read_regular(tmp_path / name, max_bytes=7) == b"content"
        assert sha256(tmp_path / name) == hashlib.sha256(b"content").hexdigest()


def test_a_file_over_its_limit_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.truncate(2**40)

    with pytest.raises(ModelError, match=r"^file has more than the 1024 bytes that it may have$"):
        read_regular(tmp_path / "file", max_bytes=1024)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("pipe", "pipe is a named pipe, not a regular file"),
        ("socket", "socket is a socket, not a regular file"),
        ("device", "device is a device, not a regular file"),
        ("folder", "folder is a folder, not a regular file"),
    ],
)
def test_nothing_else_is_opened(tmp_path: Path, kind: str, reason: str) -> None:
    path = tmp_path / kind
    with socket.socket(socket.AF_UNIX) as listener:
        match kind:
            case "pipe":
                os.mkfifo(path)
            case "socket":
                listener.bind(str(path))
            case "device":
                path.symlink_to("/dev/zero")
            case "folder":
                path.mkdir()

        with pytest.raises(ModelError, match=f"^{reason}$"):
            open_regular(path)


def test_a_file_that_became_a_pipe_since_it_was_looked_at_does_not_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    status = (tmp_path / "file").stat()
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(Path, "stat", lambda _path: status)

    assert read_regular(tmp_path / "pipe", max_bytes=1) == b""


def test_a_file_that_is_missing_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")
