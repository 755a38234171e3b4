import asyncio
import logging
import os
import re
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from softmaxd.access import Access, Key, hash_of
from softmaxd.errors import StartupError
from softmaxd.http import keyfile
from softmaxd.http.keyfile import COPY, MAX_BYTES, KeyFile, parse
from tests.support.keys import FIRST, SECOND, hashed, write_keys

ONE, TWO = hashed(FIRST), hashed(SECOND)
STAY = "the keys that it had before stay valid"


@pytest.mark.parametrize(
    ("rights", "key"),
    [
        ("", Key()),
        ("read", Key(frozenset({"read"}))),
        ("predict,admin  # for the release", Key(frozenset({"predict", "admin"}))),
        ("\tpredict  blobs,Iris_2.0", Key(frozenset({"predict"}), frozenset({"blobs", "Iris_2.0"}))),
    ],
)
def test_a_line_has_a_hash_its_scopes_and_its_models(rights: str, key: Key) -> None:
    text = f"\ufeff# keys\r\n\r\n  {ONE} {rights}\r\n{TWO}#\r\n"

    assert parse(text.encode()) == {hash_of(FIRST.encode()): key, hash_of(SECOND.encode()): Key()}
    assert set(Key().scopes) == {"predict", "read"}


def test_a_file_may_have_no_key() -> None:
    assert parse(b"") == parse(b"# none\n") == {}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (FIRST, "a line begins with the SHA-256 of a key"),
        (ONE[:-1], "a line begins with the SHA-256 of a key"),
        (ONE.upper(), "a line begins with the SHA-256 of a key"),
        (f"{ONE} secret", "after the hash come its scopes, with commas: of predict, read, admin"),
        (f"{ONE} predict, read", "after the hash come its scopes"),
        (f"{ONE} predict blobs,", "after the scopes come names of models"),
        (f"{ONE} predict ../blobs", "after the scopes come names of models"),
        (f"{ONE} predict blobs iris", "without spaces"),
        (f"{TWO} admin", "has a line above"),
    ],
)
def test_another_line_is_refused_by_its_number_and_not_quoted(line: str, problem: str) -> None:
    with pytest.raises(ValueError, match=rf"^line 3: .*{re.escape(problem)}") as refused:
        parse(f"# keys\n{TWO}\n{line}\n".encode())

    assert not [word for word in line.split()[:1] if word in str(refused.value)]
    assert "secret" not in str(refused.value)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not UTF-8"):
        parse(b"\xff")


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda _: None, "No such file or directory"),
        (Path.mkdir, "keys is a folder, not a regular file"),
        (make_pipe, "keys is a named pipe, not a regular file"),
        (lambda path: path.write_bytes(b"#" * (MAX_BYTES + 1)), f"keys has more than the {MAX_BYTES} bytes"),
        (lambda path: path.write_text("key"), "line 1: a line begins with"),
    ],
    ids=["none", "folder", "pipe", "large", "wrong"],
)
def test_without_a_good_file_there_is_no_start(tmp_path: Path, make: Callable[[Path], object], problem: str) -> None:
    make(tmp_path / "keys")

    with pytest.raises(StartupError, match=rf"^{tmp_path / 'keys'}: {re.escape(problem)}"):
        KeyFile(tmp_path / "keys", Access({}, is_open=False), {}, None)


def test_a_new_worker_uses_the_keys_of_the_others_while_the_file_is_broken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, first, second = write_keys(tmp_path / "file", ONE), Access({}, is_open=False), Access({}, is_open=False)
    KeyFile(file, first, {}, tmp_path)
    file.write_text("broken")

    KeyFile(file, second, {}, tmp_path)

    assert second.keys == first.keys == {hash_of(FIRST.encode()): Key()}
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
        f"{file}: line 1: {keyfile.NO_HASH}; {STAY}"
    ]
    assert (tmp_path / COPY).read_text() == f"{ONE}\n"


def test_a_copy_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    access = Access({}, is_open=False)

    KeyFile(write_keys(tmp_path / "keys", ONE), access, {}, tmp_path / "gone")

    assert len(access.keys) == 1


def test_keys_of_settings_come_before_those_of_the_file(tmp_path: Path) -> None:
    access, given = Access({}, is_open=False), {hash_of(FIRST.encode()): Key({"admin"})}

    KeyFile(write_keys(tmp_path / "keys", f"{ONE} read", TWO), access, given, None)

    assert access.keys == given | {hash_of(SECOND.encode()): Key()}


async def come_true(condition: Callable[[], object]) -> None:
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come true within 30 s")


def follow(file: Path, steps: list[tuple[Callable[[], object], Callable[[Access], bool]]]) -> None:
    """Follow a file. Each step changes it, and ends when its condition holds."""

    async def main() -> None:
        access = Access({}, is_open=False)
        async with KeyFile(file, access, {}, None).followed():
            for change, is_over in steps:
                change()
                await come_true(partial(is_over, access))

    asyncio.run(main())


def has(*keys: str) -> Callable[[Access], bool]:
    return lambda access: set(access.keys) == {hash_of(key.encode()) for key in keys}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of keys that is looked at often."""
    monkeypatch.setattr(keyfile, "SECONDS", 0.02)
    return write_keys(tmp_path / "keys", ONE)


def test_changes_are_followed_without_any_change_of_size_or_time(file: Path) -> None:
    status = file.stat()

    def swap() -> None:
        file.write_text(f"{TWO}\n")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))

    follow(
        file,
        [(lambda: None, has(FIRST)), (swap, has(SECOND)), (lambda: write_keys(file, ONE, TWO), has(FIRST, SECOND))],
    )


def test_a_file_that_breaks_or_vanishes_keeps_its_keys_and_says_so_once(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def has_said(text: str) -> Callable[[Access], bool]:
        return lambda access: has(FIRST)(access) and text in caplog.text

    follow(
        file,
        [
            (lambda: file.write_text("broken"), has_said(f"line 1: {keyfile.NO_HASH}; {STAY}")),
            (lambda: None, lambda access: access.is_stale),
            (file.unlink, has_said(f"{file}: No such file or directory; {STAY}")),
            (lambda: write_keys(file, TWO), has(SECOND)),
            (lambda: None, lambda access: not access.is_stale),
            (lambda: write_keys(file), has()),
        ],
    )

    told = [(record.levelname, record.message.removeprefix(f"{file}")) for record in caplog.records]
    assert told == [
        ("INFO", " has 1 key"),
        ("ERROR", f": line 1: {keyfile.NO_HASH}; {STAY}"),
        ("ERROR", f": No such file or directory; {STAY}"),
        ("INFO", " has 1 key"),
        ("WARNING", " has 0 keys"),
    ]


def test_half_a_file_that_is_being_written_does_not_count(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = iter([f"{ONE}\n", "", f"{TWO}\n", f"{TWO}\n"])
    used: list[int] = []

    def look(_path: Path) -> bytes:
        return next(contents, f"{TWO}\n").encode()

    async def main() -> None:
        access = Access({}, is_open=False)
        access.on_change.append(lambda: used.append(len(access.keys)))
        async with KeyFile(file, access, {}, None).followed():
            monkeypatch.setattr(keyfile, "_look_at", look)
            await come_true(partial(has(SECOND), access))

    asyncio.run(main())

    assert used == [1, 1]  # at the start, and for the second key: never none


def test_a_look_for_which_there_is_no_thread_is_told_and_repeated(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begin = threading.Thread.start

    def fail(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        access = Access({}, is_open=False)
        async with KeyFile(file, access, {}, None).followed():
            monkeypatch.setattr(threading.Thread, "start", fail)
            await come_true(lambda: f"{file}: no thread can be started; {STAY}" in caplog.text)
            monkeypatch.setattr(threading.Thread, "start", begin)
            write_keys(file, TWO)
            await come_true(partial(has(SECOND), access))

    asyncio.run(main())


def test_a_look_that_hangs_is_told_and_waited_for_but_not_repeated(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keyfile, "LATE_SECONDS", 0.02)
    looks: list[Path] = []
    end = threading.Event()

    def look(path: Path) -> bytes:
        looks.append(path)
        end.wait()
        return f"{TWO}\n".encode()

    async def main() -> None:
        access = Access({}, is_open=False)
        async with KeyFile(file, access, {}, None).followed():
            monkeypatch.setattr(keyfile, "_look_at", look)
            await come_true(lambda: "cannot be read within" in caplog.text)
            assert (has(FIRST)(access), len(looks)) == (True, 1)
            end.set()
            await come_true(partial(has(SECOND), access))

    asyncio.run(main())
