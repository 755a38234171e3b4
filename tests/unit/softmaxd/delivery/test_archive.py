"""A version is packed into the same bytes everywhere, and nothing else is unpacked."""

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from softmaxd.delivery import archive
from softmaxd.delivery.archive import checksum, pack, unpack
from softmaxd.errors import Refused

# What packing gives on every machine and with every version of Python: stores keep it for ever.
GOLDEN = "59aa3c37e36f7532043c1955a642e1381f0a3bd1338b4dc2dda38d20412e6544"

KEY = "blobs", 1

Change = Callable[[tarfile.TarFile], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A version folder with two files, and things beside them that do not travel."""
    folder = tmp_path / "models" / "blobs" / "1"
    (folder / "more").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"graph")
    (folder / "card.md").write_text("# blobs, version 1\n")
    (folder / ".hidden").write_text("no")
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty version folder to unpack into."""
    target = tmp_path / "elsewhere" / "blobs" / "1"
    target.mkdir(parents=True)
    return target


def packed(folder: Path) -> bytes:
    target = io.BytesIO()
    assert pack(folder, KEY, target) == hashlib.sha256(target.getvalue()).hexdigest()
    return target.getvalue()


def test_the_bytes_follow_from_the_files_alone(folder: Path) -> None:
    before = packed(folder)
    os.utime(folder / "card.md", (1, 1))
    (folder / "model.onnx").chmod(0o600)

    assert packed(folder) == before
    assert checksum(folder, KEY) == GOLDEN


def test_a_version_is_unpacked_as_it_was(folder: Path, target: Path) -> None:
    unpack(io.BytesIO(packed(folder)), KEY, target)

    assert {path.name: path.read_bytes() for path in target.iterdir()} == {
        "model.onnx": b"graph",
        "card.md": b"# blobs, version 1\n",
    }


def test_a_file_whose_name_cannot_travel_is_not_packed(folder: Path) -> None:
    (folder / "my card.md").write_text("")

    with pytest.raises(Refused, match=r"my card.md: its name should have at most 100 letters, digits"):
        packed(folder)


def test_a_version_has_its_limits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_FILES", 1)
    with pytest.raises(Refused, match=r"has more than 1 files$"):
        packed(folder)

    monkeypatch.setattr(archive, "MAX_FILES", 2)
    monkeypatch.setattr(archive, "MAX_ARCHIVE_BYTES", 10_239)
    with pytest.raises(Refused, match=r"has more than the 10239 bytes that a version may have$"):
        packed(folder)


def member(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"x", **fields: object) -> Change:
    """Return what adds a member to a tar."""

    def add(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.size = kind, len(content)
        for field, value in fields.items():
            setattr(info, field, value)
        tar.addfile(info, io.BytesIO(content))

    return add


def sparse(tar: tarfile.TarFile) -> None:
    """Add a file of a terabyte that has no byte in the tar."""
    info = tarfile.TarInfo("blobs/1/model.onnx")
    info.pax_headers = {"GNU.sparse.size": str(2**40), "GNU.sparse.map": "0,0", "GNU.sparse.numblocks": "1"}
    tar.addfile(info)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ([member("blobs/1/model.onnx", tarfile.SYMTYPE, b"", linkname="/etc/passwd")], "is no regular file"),
        ([member("blobs/1/model.onnx", tarfile.LNKTYPE, b"", linkname="/etc/passwd")], "is no regular file"),
        ([member("blobs/1/model.onnx", tarfile.CHRTYPE, b"")], "is no regular file"),
        ([member("blobs/1/model.onnx", tarfile.FIFOTYPE, b"")], "is no regular file"),
        ([member("blobs/1", tarfile.DIRTYPE, b"")], "is no regular file"),
        ([sparse], "is no regular file"),
        ([member("blobs/1/../../../escaped")], "is not a file of blobs/1/"),
        ([member("../escaped")], "is not a file of blobs/1/"),
        ([member("/etc/escaped")], "is not a file of blobs/1/"),
        ([member("blobs/2/escaped")], "is not a file of blobs/1/"),
        ([member("escaped")], "is not a file of blobs/1/"),
        ([member("blobs/1/more/escaped")], "is not a file of blobs/1/"),
        ([member("blobs/1/.hidden")], "is not a file of blobs/1/"),
        ([member("blobs/1/a\\b")], "is not a file of blobs/1/"),
        ([member("blobs/1/a"), member("blobs/1/a")], "it has the file a twice"),
        ([member(f"blobs/1/{number}") for number in range(101)], "it has more than 100 files"),
        ([member("blobs/1/a", mode=0o4755)], "it has other bytes than softmaxd models push writes for the same files"),
        ([member("blobs/1/a", mtime=1)], "it has other bytes than softmaxd models push writes for the same files"),
        ([member("blobs/1/b"), member("blobs/1/a")], "it has other bytes than softmaxd models push writes"),
    ],
)
def test_a_tar_with_anything_else_is_refused(tmp_path: Path, target: Path, changes: list[Change], reason: str) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for change in changes:
            change(tar)

    with pytest.raises(Refused, match=reason):
        unpack(made, KEY, target)

    assert list(tmp_path.rglob("escaped")) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content + b"more", "it has other bytes"),
        (lambda content: content + content, "it has other bytes"),
        (lambda content: content[:-512], "it has other bytes"),
        (lambda content: content[:700], "it is no tar: empty header"),
        (lambda content: gzip.compress(content, mtime=0), "it is no tar: "),
        (lambda content: b"", "it is no tar: empty header"),
        (lambda content: b"<html>" * 200, "it is no tar: "),
    ],
    ids=["more", "twice", "less", "half", "compressed", "empty", "page"],
)
def test_other_bytes_are_refused(folder: Path, target: Path, change: Callable[[bytes], bytes], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        unpack(io.BytesIO(change(packed(folder))), KEY, target)


class Reads(io.BytesIO):
    """A file that keeps the largest number of bytes that it was asked for at once."""

    most = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.most = max(self.most, len(found))
        return found


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
@pytest.mark.parametrize(("names", "size"), [(3000, 512), (1, 4_000_000)], ids=["many", "large"])
def test_headers_of_other_formats_are_not_followed(target: Path, kind: bytes, names: int, size: int) -> None:
    info = tarfile.TarInfo("blobs/1/model.onnx")
    info.type, info.size = kind, size
    made = Reads((info.tobuf(tarfile.USTAR_FORMAT) + b"12 path=abc\n".ljust(size, b"\0")) * names + bytes(1024))

    with pytest.raises(Refused, match=r"^blobs/1/model.onnx in it is no regular file$"):
        unpack(made, KEY, target)

    assert made.most == tarfile.BLOCKSIZE


def test_no_change_of_a_header_does_more_than_to_be_refused(folder: Path, target: Path) -> None:
    content = packed(folder)

    for place in (*range(0, 512, 11), *range(1024, 1536, 11)):
        for value in {0, 0x80, 0xFF, ord("7")} - {content[place]}:
            with pytest.raises(Refused):
                unpack(io.BytesIO(content[:place] + bytes([value]) + content[place + 1 :]), KEY, target)
            for path in target.iterdir():
                path.unlink()
