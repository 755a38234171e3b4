"""The names of files in a store, and lists of checksums."""

import pytest

from softmaxd.delivery.names import Archive, Wanted, read_list, wanted, write_list
from softmaxd.errors import Refused

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("text", "expected"),
    [("blobs", Wanted("blobs", None)), ("blobs:12", Wanted("blobs", 12)), ("a-1.tar:1", Wanted("a-1.tar", 1))],
)
def test_a_version_is_named(text: str, expected: Wanted) -> None:
    assert wanted(text) == expected


@pytest.mark.parametrize("text", ["", ":1", "blobs:", "blobs:0", "blobs:01", "blobs:x", "blobs:1:2", "../blobs", "a/b"])
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected NAME or NAME:VERSION, like blobs:1, not "):
        wanted(text)


def test_a_list_is_read_as_it_is_written_by_version() -> None:
    archives = [Archive("a-1", version, DIGEST) for version in (2, 10, 1)]

    content = write_list(archives)

    assert content.decode().splitlines() == [f"{DIGEST}  a-1-{version}.tar" for version in (1, 2, 10)]
    assert read_list(content, "a") == sorted(archives)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"\xff",
        f"{DIGEST} blobs-1.tar\n".encode(),
        f"{DIGEST}  blobs-1.zip\n".encode(),
        f"{DIGEST}  blobs.tar\n".encode(),
        f"{DIGEST}  blobs-0.tar\n".encode(),
        f"{DIGEST}  -1.tar\n".encode(),
        f"{DIGEST}  ../blobs-1.tar\n".encode(),
        f"{DIGEST.upper()}  blobs-1.tar\n".encode(),
        f"{DIGEST}  blobs-1.tar\n\n{DIGEST}  blobs-2.tar\n".encode(),
    ],
)
def test_another_content_is_no_list(content: bytes) -> None:
    with pytest.raises(Refused, match=r"^here is no list of checksums as softmaxd models push writes it$"):
        read_list(content, "here")
