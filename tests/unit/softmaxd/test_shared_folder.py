"""The folder that workers share: nobody takes one that is used, and none is left for good."""

import os
import tempfile
from pathlib import Path

import pytest

from softmaxd import shared_folder as module
from softmaxd.errors import StartupError
from softmaxd.shared_folder import hold, remove_leftovers, shared_folder

GONE = 2**22 + 1  # above the highest process id that Linux gives


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of the shared memory."""
    monkeypatch.setattr(module, "SHARED_MEMORY", tmp_path)
    return tmp_path


def leftover(memory: Path, process: int) -> Path:
    folder = memory / f"softmaxd-{process}-abc"
    folder.mkdir()
    (folder / str(process)).touch()
    return folder


def test_a_folder_is_there_while_it_is_used(memory: Path) -> None:
    with shared_folder() as folder:
        assert folder.parent == memory
        assert folder.name.startswith(f"softmaxd-{os.getpid()}-")
        remove_leftovers(memory)  # as another start does
        assert folder.is_dir()

    assert list(memory.iterdir()) == []


@pytest.mark.parametrize("process", [GONE, 2**70, os.getpid()], ids=["gone", "impossible", "the same number again"])
def test_a_start_removes_the_folder_of_a_killed_service(
    memory: Path, process: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    folder = leftover(memory, process)

    with shared_folder() as new:
        assert list(memory.iterdir()) == [new]
    assert caplog.messages == [f"removed {folder}, which a killed service left behind"]


def test_a_folder_that_a_worker_holds_stays(memory: Path) -> None:
    folder = leftover(memory, GONE)
    descriptor = hold(folder)
    remove_leftovers(memory)
    assert folder.exists()

    os.close(descriptor)
    remove_leftovers(memory)
    assert not folder.exists()


@pytest.mark.parametrize("process", [os.getppid(), 1])
def test_the_folder_of_a_living_service_of_an_older_version_stays(memory: Path, process: int) -> None:
    folder = leftover(memory, process)

    remove_leftovers(memory)

    assert folder.exists()


def test_the_process_of_another_user_is_alive(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_process: int, _number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    folder = leftover(memory, GONE)

    remove_leftovers(memory)

    assert folder.exists()


def test_nothing_that_only_has_such_a_name_is_touched(memory: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "file").touch()
    (memory / f"softmaxd-{GONE}-link").symlink_to(elsewhere)
    (memory / f"softmaxd-{GONE}-file").touch()
    (memory / "softmaxd-notes-x").mkdir()

    remove_leftovers(memory)

    assert (elsewhere / "file").exists()
    assert len(list(memory.iterdir())) == 3


def test_a_folder_that_another_start_removed_is_made_again(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, made = tempfile.mkdtemp, []

    def make(**options: str) -> str:
        made.append(real(**options))
        if len(made) == 1:
            Path(made[0]).rmdir()
        return made[-1]

    def hold_late(folder: Path) -> int:
        descriptor = hold(folder)
        if len(made) == 2:
            folder.rmdir()
        return descriptor

    monkeypatch.setattr(tempfile, "mkdtemp", make)
    monkeypatch.setattr(module, "hold", hold_late)

    with shared_folder() as folder:
        assert str(folder) == made[2]


def test_without_shared_memory_the_temporary_folder_is_used(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARED_MEMORY", memory / "none")
    monkeypatch.setattr(tempfile, "tempdir", str(memory))

    with shared_folder() as folder:
        assert folder.parent == memory


def test_a_folder_that_cannot_be_made_stops_the_start_with_one_line(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_options: str) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", fail)

    with (
        pytest.raises(StartupError, match=rf"^cannot make a folder for the workers in {memory}: No space left"),
        shared_folder(),
    ):
        raise AssertionError("it must not begin")
