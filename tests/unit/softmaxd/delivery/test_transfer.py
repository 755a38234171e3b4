"""A file comes whole, whatever breaks; and not at all if it is another one, too large or too late."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from softmaxd.delivery import transfer
from softmaxd.delivery.names import Archive
from softmaxd.delivery.store import Absent, Broken
from softmaxd.delivery.transfer import Patience, TimeIsOver, read_small, receive
from softmaxd.delivery.web import Web
from softmaxd.errors import Refused
from tests.support.web_store import Handler, WebStore, cut, endless, respond, serving, status

CONTENT = bytes(range(256)) * 4
ARCHIVE = Archive("a", 1, hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def _tries_follow_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "FIRST_WAIT", 0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebStore]:
    (tmp_path / ARCHIVE.file).write_bytes(CONTENT)
    with serving(tmp_path) as server:
        yield server


class Transfer:
    """Receives the archive; what was told is kept."""

    def __init__(self, server: WebStore, before: bytes = b"", seconds: float = 60) -> None:
        self.lines: list[str] = []
        self._path = server.folder / "part"
        self._path.write_bytes(before)
        self._server, self._seconds = server, seconds

    def run(self) -> bytes:
        patience = Patience(self._seconds, self.lines.append)
        with open(self._path, "r+b") as file:
            receive(Web(self._server.url), ARCHIVE, file, patience)
        return self.content()

    def content(self) -> bytes:
        """Return the bytes that are there."""
        return self._path.read_bytes()


def test_a_file_comes_whole(server: WebStore) -> None:
    coming = Transfer(server)

    assert coming.run() == CONTENT
    assert coming.lines == [f"{server.url}/a-1.tar: 1,024 of 1,024 bytes"]


def test_after_a_break_only_the_rest_comes(server: WebStore) -> None:
    server.faults = [cut(100), cut(200), status(503), cut(0)]
    coming = Transfer(server)

    assert coming.run() == CONTENT
    assert server.ranges("a-1.tar") == [None, "bytes=100-", "bytes=300-", "bytes=300-", "bytes=300-"]
    validators = [validator for _, _, validator in server.requests]
    assert validators[0] is None
    assert len(set(validators[1:])) == 1
    place = f"{server.url}/a-1.tar"
    assert coming.lines[:2] == [
        f"{place}: the transfer ended after 100 of 1,024 bytes; trying again",
        f"{place}: resuming after 100 bytes",
    ]


def test_what_an_earlier_run_has_left_is_not_asked_for_again(server: WebStore) -> None:
    assert Transfer(server, CONTENT[:1000]).run() == CONTENT
    assert Transfer(server, CONTENT).run() == CONTENT
    assert server.ranges("a-1.tar") == ["bytes=1000-"]


@pytest.mark.parametrize("before", [b"other" * 100, CONTENT + b"more"])
def test_what_an_earlier_run_has_left_of_other_bytes_is_dropped(server: WebStore, before: bytes) -> None:
    coming = Transfer(server, before)

    assert coming.run() == CONTENT
    assert server.ranges("a-1.tar")[-1] is None


def test_a_file_that_changes_between_two_tries_comes_anew(server: WebStore) -> None:
    def change_and_cut(handler: Handler, content: bytes) -> None:
        handler.answer(b"other" * 100, 100)

    server.faults = [change_and_cut]

    assert Transfer(server).run() == CONTENT
    assert server.ranges("a-1.tar") == [None, "bytes=100-"]


def test_parts_of_two_files_are_not_joined(server: WebStore) -> None:
    server.faults = [respond(200, b"other" * 20, Content_Length="1024")]  # without an ETag

    assert Transfer(server).run() == CONTENT
    assert server.ranges("a-1.tar") == [None, "bytes=100-", None]


@pytest.mark.parametrize("before", [b"", CONTENT[:100]])
def test_other_bytes_are_refused(server: WebStore, before: bytes) -> None:
    (server.folder / "a-1.tar").write_bytes(CONTENT[:-1] + b"x")
    found = hashlib.sha256(CONTENT[:-1] + b"x").hexdigest()

    with pytest.raises(Refused, match=rf"^{server.url}/a-1.tar has the SHA-256 {found}, not {ARCHIVE.sha256}$"):
        Transfer(server, before).run()


def test_tries_end(server: WebStore) -> None:
    server.faults = [cut(100), *[status(500)] * 4]
    coming = Transfer(server)

    with pytest.raises(Broken, match=r"a-1.tar: the server answers 500 .*; given up after 5 tries$"):
        coming.run()

    assert coming.content() == CONTENT[:100]
    assert server.faults == []


def test_a_file_that_is_not_there_is_not_tried_again(server: WebStore) -> None:
    server.faults = [status(404)]

    with pytest.raises(Absent, match=r"a-1.tar: the server answers 404 "):
        Transfer(server).run()

    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [respond(200, b"", Content_Length=str(10**10)), endless])
def test_a_file_that_is_too_large_is_refused(
    server: WebStore, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Handler, bytes], None]
) -> None:
    monkeypatch.setattr(transfer, "MAX_ARCHIVE_BYTES", 1_000_000)
    server.faults = [fault]
    coming = Transfer(server)

    with pytest.raises(Refused, match=r"a-1.tar has more than the 1,000,000 bytes that it may have$"):
        coming.run()

    assert len(coming.content()) < 2_000_000


@pytest.mark.parametrize(("blocks", "before", "comes"), [(1, b"", False), (1, CONTENT[:1000], True), (0, b"", True)])
def test_a_disk_without_room_for_the_archive_and_the_version_is_told_before(
    server: WebStore, monkeypatch: pytest.MonkeyPatch, blocks: int, before: bytes, comes: bool
) -> None:
    free = 2 * len(CONTENT) - 1
    found = os.statvfs_result((4096, 1, blocks, free, 0, 0, 0, 0, 0, 255))  # without blocks, its size is not known
    monkeypatch.setattr(os, "fstatvfs", lambda _file: found)
    coming = Transfer(server, before)

    if comes:
        assert coming.run() == CONTENT
    else:
        with pytest.raises(OSError, match=r"No space left on device for 2,048 bytes$"):
            coming.run()
        assert coming.content() == b""


def test_the_time_ends(server: WebStore) -> None:
    server.faults = [endless]

    with pytest.raises(TimeIsOver, match=r"a-1.tar is not complete after 0.1 s \(--timeout\)$"):
        Transfer(server, seconds=0.1).run()


def test_the_time_ends_between_two_tries(server: WebStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "FIRST_WAIT", 60)
    server.faults = [status(500)]

    with pytest.raises(TimeIsOver, match=r"a-1.tar is not complete after 0.2 s"):
        Transfer(server, seconds=0.2).run()


def test_progress_is_told_now_and_then(server: WebStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "TELL_SECONDS", 0)
    server.faults = [respond(200, CONTENT)]
    coming = Transfer(server)

    coming.run()

    assert coming.lines[-1] == f"{server.url}/a-1.tar: 1,024 of ? bytes"


def test_a_list_comes_after_a_failure(server: WebStore) -> None:
    server.faults = [status(500), cut(100)]
    lines: list[str] = []

    assert read_small(Web(server.url), "a-1.tar", Patience(60, lines.append)) == CONTENT
    assert lines[1] == f"{server.url}/a-1.tar: the transfer ended after 100 of 1,024 bytes; trying again"


def test_a_list_has_its_limit(server: WebStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MAX_LIST_BYTES", 1000)

    with pytest.raises(Refused, match=r"a-1.tar has more than the 1,000 bytes that it may have"):
        read_small(Web(server.url), "a-1.tar", Patience(60, print))
