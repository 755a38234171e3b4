"""KServe's own storage initializer leaves in a mount the folders that `tests/faults/test_kubernetes.py` serves."""

import functools
import http.server
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kserve_storage import Storage

FILES = {Path("blobs", version, name) for version in ("1", "2") for name in ("manifest.json", "model.onnx")}


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """A folder of models with two versions of one."""
    folder = tmp_path / "bucket"
    for path in FILES:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(str(path))
    return folder


@pytest.fixture
def web(bucket: Path) -> Iterator[str]:
    """The address of a web server that has an archive of version 1, as `softmaxd models push` packs it."""
    with tarfile.open(bucket / "blobs-1.tar", "w") as archive:
        archive.add(bucket / "blobs" / "1", "blobs/1")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(bucket))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def files(folder: Path) -> set[Path]:
    """Return the paths of all files below a folder, also behind links to folders."""
    found: set[Path] = set()
    for path in folder.iterdir():
        found |= {path / below for below in files(path)} if path.is_dir() else {path}
    return {path.relative_to(folder) for path in found} if found else set()


@pytest.mark.parametrize("place", [".", "blobs", "blobs/1"])
def test_the_content_of_a_folder_comes_without_the_folder(bucket: Path, tmp_path: Path, place: str) -> None:
    Storage.download(f"file://{bucket / place}", str(tmp_path / "mnt"))

    assert files(tmp_path / "mnt") == {path.relative_to(place) for path in FILES if path.is_relative_to(place)}


def test_an_archive_comes_as_the_folder_of_models(web: str, tmp_path: Path) -> None:
    (tmp_path / "mnt").mkdir()

    Storage.download(f"{web}/blobs-1.tar", str(tmp_path / "mnt"))

    assert files(tmp_path / "mnt") == {path for path in FILES if path.parent.name == "1"}
