"""The files of a version are read for a client: none from elsewhere, and none that would hold up the service."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from softmaxd.errors import NotReady
from softmaxd.models.documents import MAX_BYTES, DocumentNotFound, Documents
from softmaxd.models.files import read_regular
from softmaxd.models.loading import load
from softmaxd.models.model import Model
from softmaxd.settings import Settings
from tests.support.onnx_models import linear, publish

NONE = "This version has no such file"
NOT_REGULAR = f"This file is no regular file, or it has more than {MAX_BYTES} bytes"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return publish(tmp_path, 1, linear().SerializeToString())


@pytest.fixture
def model(folder: Path) -> Model:
    return load(folder, Settings())


def read(models: Path, model: Model, name: str) -> bytes:
    return asyncio.run(Documents(models, seconds=60).read(model, name))


def too_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)


@pytest.mark.parametrize("name", ["card.md", "ü und ü.png"])
def test_a_file_of_the_folder_is_read(tmp_path: Path, folder: Path, model: Model, name: str) -> None:
    (folder / name).write_bytes(b"# A card")

    assert read(tmp_path, model, name) == b"# A card"


def test_links_are_followed_within_the_folder(tmp_path: Path, folder: Path, model: Model) -> None:
    (folder / "..data").mkdir()  # as a volume of Kubernetes has its files
    (folder / "..data" / "card.md").write_bytes(b"# A card")
    (folder / "card.md").symlink_to(Path("..data", "card.md"))
    moved = tmp_path / "moved"
    folder.rename(moved)
    folder.symlink_to(moved)

    assert read(tmp_path, model, "card.md") == b"# A card"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, NONE),
        (lambda path: path.symlink_to("/etc/passwd"), NONE),
        (lambda path: path.symlink_to(Path("..", "..", "other", "card.md")), NONE),
        (lambda path: path.symlink_to(path.name), "This file cannot be read: Too many levels of symbolic links"),
        (os.mkfifo, NOT_REGULAR),
        (Path.mkdir, NOT_REGULAR),
        (too_large, NOT_REGULAR),
    ],
    ids=["none", "link", "relative link", "link to itself", "pipe", "folder", "too large"],
)
def test_anything_else_is_not_found(
    tmp_path: Path, folder: Path, model: Model, make: Callable[[Path], None], reason: str
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "card.md").write_bytes(b"of another model")
    make(folder / "card.md")

    with pytest.raises(DocumentNotFound) as refused:
        read(tmp_path, model, "card.md")

    assert refused.value.detail == reason


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../1/card.md/x", NONE),
        ("../../linear.png", NONE),
        ("\0.png", NONE),
        (f"{'x' * 300}.png", "This file cannot be read: File name too long"),
    ],
)
def test_no_name_leads_elsewhere(tmp_path: Path, folder: Path, model: Model, name: str, reason: str) -> None:
    (folder / "card.md").touch()
    (tmp_path / "linear.png").touch()

    with pytest.raises(DocumentNotFound) as refused:
        read(tmp_path, model, name)

    assert refused.value.detail == reason


def test_a_folder_that_is_gone_has_no_files(tmp_path: Path, folder: Path, model: Model) -> None:
    folder.rename(tmp_path / "gone")

    with pytest.raises(DocumentNotFound, match=NONE):
        read(tmp_path, model, "manifest.json")


def test_a_folder_that_hangs_holds_up_one_thread_and_nobody_longer_than_the_deadline(
    tmp_path: Path, folder: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(
        "softmaxd.models.documents.read_regular",
        lambda path, max_bytes: hangs.wait() and read_regular(path, max_bytes=max_bytes),
    )
    late = "The folder of this version cannot be read: it took more than 0.05 s (scan_timeout)"

    async def ask() -> tuple[list[str], int, bytes]:
        found = Documents(tmp_path, seconds=0.05)
        refused = await asyncio.gather(*(found.read(model, "manifest.json") for _ in range(3)), return_exceptions=True)
        threads = sum(thread.name == "aside" for thread in threading.enumerate())
        hangs.set()
        found._seconds = 60
        return [str(each) for each in refused], threads, await found.read(model, "manifest.json")

    before = sum(thread.name == "aside" for thread in threading.enumerate())

    refused, threads, content = asyncio.run(ask())

    assert (refused, threads) == ([late] * 3, before + 1)
    assert content == (folder / "manifest.json").read_bytes()


def test_a_thread_that_cannot_be_started_may_be_so_later(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    with pytest.raises(NotReady, match=r"cannot be read: no thread can be started$"):
        read(tmp_path, model, "card.md")


@pytest.mark.parametrize("place", ["linear", "linear/1"])
def test_the_folder_of_one_model_or_version_has_files_too(
    tmp_path: Path, folder: Path, model: Model, place: str
) -> None:
    (folder / "card.md").write_bytes(b"# A card")

    assert read(tmp_path / place, model, "card.md") == b"# A card"
