"""A store by fsspec; tests/faults/test_delivery.py has one with S3."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from softmaxd.delivery.objects import Objects
from softmaxd.delivery.store import Absent, Broken
from softmaxd.delivery.transfer import TimeIsOver
from softmaxd.errors import Refused
from softmaxd.models.files import NotNow

URL = "memory://store/production"


@pytest.fixture
def store() -> Iterator[Objects]:
    yield Objects(URL)
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def read(store: Objects, start: int = 0, validator: str | None = None) -> tuple[bytes, int, int | None]:
    """Return the bytes of the file `a`, the place of the first one, and the size of the whole."""
    with store.stream("a", start, validator) as stream:
        return b"".join(stream.chunks), stream.start, stream.total


def test_an_object_is_read_from_where_it_broke_off(store: Objects) -> None:
    store.write("a", b"0123456789")

    assert read(store) == (b"0123456789", 0, 10)
    assert read(store, 4) == (b"456789", 4, 10)
    assert read(store, 11) == (b"0123456789", 0, 10)
    assert read(store, 4, "another ETag") == (b"0123456789", 0, 10)


def test_a_name_is_given_once(store: Objects, tmp_path: Path) -> None:
    (tmp_path / "1").write_text("1")
    (tmp_path / "2").write_text("2")

    assert store.names() == []
    assert [store.create("a", tmp_path / "1"), store.create("a", tmp_path / "2")] == [True, False]
    assert read(store)[0] == b"1"
    assert store.names() == ["a"]


def test_an_object_that_is_not_there_is_named(store: Objects) -> None:
    with pytest.raises(Absent, match=rf"^there is no {URL}/a$"):
        read(store)


def test_a_name_that_is_taken_meanwhile_is_told(
    store: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, mode: str) -> None:
        assert mode == "create"
        raise FileExistsError

    monkeypatch.setattr(MemoryFileSystem, "put_file", fail)

    assert not store.create("a", tmp_path / "1")


def test_a_bucket_that_is_not_there_takes_nothing(store: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise FileNotFoundError("The specified bucket does not exist")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", fail)

    with pytest.raises(Refused, match=rf"^{URL}/a cannot be written: there is no such bucket or folder$"):
        store.write("a", b"0")


class Failing(MemoryFileSystem):  # type: ignore[misc] # fsspec has no types
    """A store that fails."""

    protocol = "failing"
    error: Exception = OSError()

    def info(self, path: str, **_: Any) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (PermissionError("Access Denied"), Refused, "access is denied: Access Denied"),
        (RuntimeError("no answer\nin time"), Broken, "no answer in time"),
        (TimeoutError(), NotNow, "TimeoutError"),
    ],
)
def test_failures_of_a_driver_are_told_and_some_pass(error: Exception, kind: type[Exception], reason: str) -> None:
    fsspec.register_implementation("failing", Failing, clobber=True)
    Failing.error = error

    with pytest.raises(kind, match=rf"^failing://store/a: {reason}$"):
        read(Objects("failing://store"))


def test_the_end_of_the_time_is_no_failure_of_a_driver() -> None:
    fsspec.register_implementation("failing", Failing, clobber=True)
    Failing.error = TimeIsOver("the time is over")

    with pytest.raises(TimeIsOver, match=r"^the time is over$"):
        read(Objects("failing://store"))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("s3://key:secret@bucket", "s3:// should be followed by a bucket and a folder, without ':' and '@'"),
        ("s3://", "s3:// should be followed by a bucket and a folder"),
        ("zip://a.zip::s3://bucket", "zip:// should be followed by a bucket and a folder"),
        ("ftps://host", "fsspec knows no ftps://"),
        ("gs://bucket", "no driver of fsspec for gs:// is installed: "),
    ],
)
def test_other_urls_are_refused_and_no_secret_is_shown(url: str, reason: str) -> None:
    with pytest.raises(Refused, match=rf"^{re.escape(reason)}") as caught:
        Objects(url)

    assert "secret" not in str(caught.value)
