from pathlib import Path

import pytest

from softmaxd.errors import NotReady
from softmaxd.models.unloaded import Unloaded


def test_one_worker_alone_needs_no_folder() -> None:
    unloaded = Unloaded(None)

    unloaded.add("a")
    unloaded.add("b")
    unloaded.discard("a")

    assert unloaded.names() == {"b"}


def test_workers_share_the_names(tmp_path: Path) -> None:
    here, there = Unloaded(tmp_path), Unloaded(tmp_path)
    (tmp_path / "1234").touch()  # the counts of a worker

    here.add("a")
    assert there.names() == {"a"}
    there.discard("a")

    assert here.names() == set()


def test_the_names_are_kept_while_the_folder_cannot_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    unloaded = Unloaded(folder)
    unloaded.add("a")

    folder.rename(tmp_path / "away")

    assert unloaded.names() == {"a"}
    with pytest.raises(NotReady, match=r"^The other workers cannot be told: No such file or directory$"):
        unloaded.add("b")
    assert unloaded.names() == {"a"}
