"""The memory that a container has left, by the files of both versions of cgroups."""

import threading
from pathlib import Path

import pytest

from softmaxd.models.headroom import bytes_left, watch

V1 = {
    "memory/memory.limit_in_bytes": "1000\n",
    "memory/memory.stat": "cache 5\nrss 1\ntotal_cache 500\ntotal_rss 300\n",
}
V2 = {"memory.max": "1000\n", "memory.stat": "anon 300\nfile 500\nanon_thp 9\n"}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("files", [V1, V2], ids=["v1", "v2"])
def test_the_memory_that_is_left_is_that_without_files(tmp_path: Path, files: dict[str, str]) -> None:
    left = bytes_left(write(tmp_path, files))

    assert left is not None
    assert left() == 700
    write(tmp_path, {name: text.replace("300", "900") for name, text in files.items()})
    assert left() == 100


@pytest.mark.parametrize(
    "files",
    [{}, V2 | {"memory.max": "max\n"}, V1 | {"memory/memory.limit_in_bytes": "9223372036854771712\n"}],
    ids=["no files", "v2", "v1"],
)
def test_without_a_limit_nothing_is_told(tmp_path: Path, files: dict[str, str]) -> None:
    left = bytes_left(write(tmp_path, files))

    assert left is None
    watch(left, pytest.fail)


def test_the_end_comes_when_less_than_the_headroom_is_left() -> None:
    numbers, ended = [30, 11, 10, 5], threading.Event()

    watch(lambda: numbers.pop(0), ended.set, headroom=10)

    assert ended.wait(60)
    assert numbers == [5]
