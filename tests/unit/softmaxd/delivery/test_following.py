"""A folder follows a store, whatever is wrong with the store."""

import hashlib
import shutil
from pathlib import Path

import pytest

from softmaxd.delivery import following
from softmaxd.delivery.folder import Folder
from softmaxd.delivery.following import Follower
from softmaxd.delivery.names import Archive, write_list
from softmaxd.settings import Settings
from tests.support.onnx_models import linear, publish
from tests.support.stores import put

GOOD = linear().SerializeToString()


class Following:
    """A follower of the store, and its lines."""

    def __init__(self, tmp_path: Path) -> None:
        self.said: list[str] = []
        self.told: list[str] = []
        self.store = Folder(tmp_path / "store")
        self._folder = tmp_path
        settings = Settings(models_dir=tmp_path / "models")
        self.follower = Follower(self.store, settings, 60, self.said.append, self.told.append)

    def put(self, version: int) -> None:
        put(self._folder / "store", publish(self._folder / "source", version, GOOD))


def test_new_versions_are_published(tmp_path: Path) -> None:
    following = Following(tmp_path)
    for version in (1, 2):
        following.put(version)
        for _ in range(2):
            following.follower.look("linear")

    assert following.said == [f"published {tmp_path}/models/linear/{version}" for version in (1, 2)]


def test_a_failure_is_told_once_until_it_is_another_one(tmp_path: Path) -> None:
    following = Following(tmp_path)
    for _ in range(2):
        following.follower.look("linear")
    following.store.write("linear.versions", b"no list")
    for _ in range(2):
        following.follower.look("linear")
    following.put(1)
    following.follower.look("linear")
    (tmp_path / "store" / "linear.versions").unlink()
    following.follower.look("linear")

    place = f"{tmp_path}/store/linear.versions"
    assert [line for line in following.told if "bytes" not in line] == [
        f"there is no {place}",
        f"{place} is no list of checksums as softmaxd models push writes it",
        f"there is no {place}",
    ]
    assert following.said == [f"published {tmp_path}/models/linear/1"]


def test_an_error_of_the_disk_is_told(tmp_path: Path) -> None:
    following = Following(tmp_path)
    following.put(1)
    (tmp_path / "models").touch()

    following.follower.look("linear")

    assert following.told == [f"Not a directory: {tmp_path}/models/linear"]


def test_a_rejected_archive_is_not_brought_again_but_a_newer_one_is(tmp_path: Path) -> None:
    following = Following(tmp_path)
    following.put(2)
    content = b"no archive"
    bad = Archive("linear", 3, hashlib.sha256(content).hexdigest())
    following.store.write(bad.file, content)
    following.store.write("linear.versions", write_list([bad]))

    for _ in range(2):
        following.follower.look("linear")
    (tmp_path / "store" / bad.file).unlink()
    following.follower.look("linear")
    following.put(4)
    following.follower.look("linear")

    refusals = [line for line in following.told if "refused" in line]
    assert len(refusals) == 1
    assert refusals[0].startswith(f"{tmp_path}/store/linear-3.tar is refused: it is no tar: ")
    assert following.said == [f"published {tmp_path}/models/linear/4"]


def test_a_version_that_is_there_is_not_read_again_until_it_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = Following(tmp_path)
    each.put(1)
    each.follower.look("linear")
    pulls: list[Archive] = []
    monkeypatch.setattr(following, "pull", lambda _store, archive, *_: pulls.append(archive))

    each.follower.look("linear")
    before = list(pulls)
    shutil.rmtree(tmp_path / "models" / "linear")
    each.follower.look("linear")

    assert before == []
    assert [archive.file for archive in pulls] == ["linear-1.tar"]


def test_another_content_under_the_same_number_is_told_once(tmp_path: Path) -> None:
    each = Following(tmp_path)
    each.put(1)
    publish(tmp_path / "models", 1, linear((1, 0, 0)).SerializeToString())

    for _ in range(2):
        each.follower.look("linear")

    assert len(each.told) == 1
    assert "versions never change" in each.told[0]


def test_it_looks_until_it_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(following, "sleep", sleep)
    each = Following(tmp_path)

    with pytest.raises(KeyboardInterrupt):
        each.follower.follow(["linear", "other"], 7)

    assert waits == [7, 7, 7]
    assert each.told == [f"there is no {tmp_path}/store/{name}.versions" for name in ("linear", "other")]
