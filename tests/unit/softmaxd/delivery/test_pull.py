"""A version is published as it was pushed, or not at all."""

import errno
import fcntl
import os
import signal
import threading
from pathlib import Path

import pytest

from softmaxd.delivery import pull as pulling
from softmaxd.delivery import transfer
from softmaxd.delivery.folder import Folder
from softmaxd.delivery.names import Archive, write_list
from softmaxd.delivery.pull import find, pull
from softmaxd.delivery.store import Broken, Rejected
from softmaxd.delivery.transfer import Patience, TimeIsOver
from softmaxd.delivery.web import Web
from softmaxd.errors import Refused
from softmaxd.models.files import NotNow
from softmaxd.models.loading import read_manifest
from softmaxd.settings import Settings
from tests.support.full_disk import small_files
from tests.support.onnx_models import linear, publish
from tests.support.stores import put
from tests.support.web_store import Fault, cut, drop_by_drop, endless_continue, endless_size, serving, silent, status

GOOD = linear().SerializeToString()


@pytest.fixture(autouse=True)
def _tries_follow_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "FIRST_WAIT", 0)


def patience(seconds: float = 60) -> Patience:
    return Patience(seconds, lambda _line: None)


def stored(tmp_path: Path, version: int = 1, content: bytes = GOOD, digest: str | None = None) -> Archive:
    """Put a version into the store without trying it, and return its archive."""
    return put(tmp_path / "store", publish(tmp_path / "source", version, content, digest=digest))


def settings(tmp_path: Path) -> Settings:
    return Settings(models_dir=tmp_path / "models")


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_version_is_published_under_its_own_number(tmp_path: Path) -> None:
    archive = stored(tmp_path, version=7)

    assert pull(Folder(tmp_path / "store"), archive, settings(tmp_path), patience())

    assert files(tmp_path / "models") == {"linear", "linear/7", "linear/7/model.onnx", "linear/7/manifest.json"}
    assert read_manifest(tmp_path / "models" / "linear" / "7").version == 7


def test_the_same_again_asks_for_nothing(tmp_path: Path) -> None:
    archive = stored(tmp_path)
    with serving(tmp_path / "store") as server:
        first = pull(Web(server.url), archive, settings(tmp_path), patience())
        second = pull(Web(server.url), archive, settings(tmp_path), patience())

        assert (first, second) == (True, False)
        assert len(server.requests) == 1


def test_a_version_never_changes(tmp_path: Path) -> None:
    archive = stored(tmp_path)
    publish(tmp_path / "models", 1, linear(bias=(1, 0, 0)).SerializeToString())
    before = read_manifest(tmp_path / "models" / "linear" / "1")

    with pytest.raises(
        Refused, match=rf"linear/1 has another content \(SHA-256 [0-9a-f]+, not {archive.sha256}\): vers"
    ):
        pull(Folder(tmp_path / "store"), archive, settings(tmp_path), patience())

    assert read_manifest(tmp_path / "models" / "linear" / "1") == before
    assert files(tmp_path / "models" / "linear") == {"1", "1/model.onnx", "1/manifest.json"}


@pytest.mark.parametrize(
    ("content", "digest", "reason"),
    [
        (GOOD, "0" * 64, "model.onnx does not match its manifest"),
        (b"no graph", None, "model.onnx is not an ONNX file"),
        (linear(bias=(float("nan"), 0, 0)).SerializeToString(), None, "not finite"),
    ],
)
def test_what_the_trial_refuses_leaves_nothing(tmp_path: Path, content: bytes, digest: str | None, reason: str) -> None:
    archive = stored(tmp_path, content=content, digest=digest)

    with pytest.raises(Rejected, match=rf"/store/linear-1.tar is refused: .*{reason}"):
        pull(Folder(tmp_path / "store"), archive, settings(tmp_path), patience())

    assert files(tmp_path / "models") == set()


def test_another_version_in_the_archive_leaves_nothing(tmp_path: Path) -> None:
    archive = stored(tmp_path, version=2)
    (tmp_path / "store" / "linear-2.tar").rename(tmp_path / "store" / "linear-1.tar")

    with pytest.raises(
        Rejected, match=r"linear-1.tar is refused: linear/2/manifest.json in it is not a file of linear/1/"
    ):
        pull(Folder(tmp_path / "store"), archive._replace(version=1), settings(tmp_path), patience())

    assert files(tmp_path / "models") == set()


def test_other_bytes_leave_nothing(tmp_path: Path) -> None:
    archive = stored(tmp_path)._replace(sha256="0" * 64)

    with pytest.raises(Refused, match=r"linear-1.tar has the SHA-256 [0-9a-f]+, not 0000"):
        pull(Folder(tmp_path / "store"), archive, settings(tmp_path), patience())

    assert files(tmp_path / "models") == set()


def test_a_refusal_leaves_the_other_versions(tmp_path: Path) -> None:
    publish(tmp_path / "models", 1, GOOD)
    archive = stored(tmp_path, version=2, content=b"no graph")

    with pytest.raises(Rejected):
        pull(Folder(tmp_path / "store"), archive, settings(tmp_path), patience())

    assert files(tmp_path / "models" / "linear") == {"1", "1/model.onnx", "1/manifest.json"}


def test_the_next_run_goes_on_where_a_broken_one_ended(tmp_path: Path) -> None:
    archive = stored(tmp_path)
    with serving(tmp_path / "store") as server:
        server.faults = [cut(3000), *[status(503)] * 4]
        with pytest.raises(Broken, match=r"given up after 5 tries"):
            pull(Web(server.url), archive, settings(tmp_path), patience())
        left = files(tmp_path / "models")

        assert pull(Web(server.url), archive, settings(tmp_path), patience())
        assert server.ranges("linear-1.tar")[-1] == "bytes=3000-"

    assert left == {"linear", f"linear/.pulled-{archive.sha256}"}
    assert files(tmp_path / "models") == {"linear", "linear/1", "linear/1/model.onnx", "linear/1/manifest.json"}


def test_a_trial_that_may_pass_later_leaves_the_bytes_for_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = stored(tmp_path)

    def fail(_folder: Path, _settings: Settings) -> None:
        raise NotNow("its trial lacked memory")

    monkeypatch.setattr(pulling, "try_out", fail)
    with pytest.raises(NotNow, match=r"linear-1.tar: its trial lacked memory$"):
        pull(Folder(tmp_path / "store"), archive, settings(tmp_path), patience())

    assert files(tmp_path / "models") == {"linear", f"linear/.pulled-{archive.sha256}"}


@pytest.mark.parametrize("fault", [silent, drop_by_drop, endless_continue, endless_size])
def test_the_time_ends_however_a_server_sends(tmp_path: Path, fault: Fault) -> None:
    archive = stored(tmp_path)
    before = signal.getsignal(signal.SIGALRM)
    with serving(tmp_path / "store") as server:
        server.faults = [fault] * 100

        with pytest.raises(TimeIsOver, match=rf"^{server.url}/linear-1.tar is not complete after 0.3 s \(--timeout\)$"):
            pull(Web(server.url), archive, settings(tmp_path), patience(0.3))

    assert (signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)) == (before, (0, 0))


def test_the_time_ends_while_another_run_pulls(tmp_path: Path) -> None:
    archive = stored(tmp_path)
    path = tmp_path / "models" / "linear" / f".pulled-{archive.sha256}"
    path.parent.mkdir(parents=True)
    with open(path, "wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        with pytest.raises(TimeIsOver, match=r"/linear-1.tar is not complete after 0.3 s"):
            pull(Folder(tmp_path / "store"), archive, settings(tmp_path), patience(0.3))


def test_the_time_ends_in_a_trial_and_the_bytes_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = stored(tmp_path)
    monkeypatch.setattr(pulling, "try_out", lambda *_: threading.Event().wait())

    with pytest.raises(TimeIsOver, match=rf"^{tmp_path}/store/linear-1.tar is not complete after 0.5 s"):
        pull(Folder(tmp_path / "store"), archive, settings(tmp_path), patience(0.5))

    assert files(tmp_path / "models") == {"linear", f"linear/.pulled-{archive.sha256}"}


def test_bytes_are_not_lost_if_a_run_before_removes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = stored(tmp_path)
    path = tmp_path / "models" / "linear" / f".pulled-{archive.sha256}"
    lock = fcntl.flock

    def refuse_before(file: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        path.unlink()
        path.parent.rmdir()
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", refuse_before)
    with serving(tmp_path / "store") as server:
        server.faults = [cut(3000), *[status(503)] * 4]
        with pytest.raises(Broken):
            pull(Web(server.url), archive, settings(tmp_path), patience())

    assert path.stat().st_size == 3000


def test_a_folder_that_a_run_before_removes_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = stored(tmp_path)
    mkdir = Path.mkdir

    def make_and_remove(path: Path, **options: bool) -> None:
        monkeypatch.setattr(Path, "mkdir", mkdir)
        path.mkdir(**options)
        path.rmdir()

    monkeypatch.setattr(Path, "mkdir", make_and_remove)

    assert pull(Folder(tmp_path / "store"), archive, settings(tmp_path), patience())


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    archive = stored(tmp_path)
    part = tmp_path / "models" / "linear" / f".pulled-{archive.sha256}"
    part.parent.mkdir(parents=True)
    (tmp_path / "precious").write_text("precious")
    part.symlink_to(tmp_path / "precious")

    with pytest.raises(OSError, match=rf"Too many levels of symbolic links: '{part}'"):
        pull(Folder(tmp_path / "store"), archive, settings(tmp_path), patience())

    assert (tmp_path / "precious").read_text() == "precious"


def test_a_pipe_is_no_place_for_an_archive(tmp_path: Path) -> None:
    archive = stored(tmp_path)
    part = tmp_path / "models" / "linear" / f".pulled-{archive.sha256}"
    part.parent.mkdir(parents=True)
    os.mkfifo(part)

    with pytest.raises(Refused, match=rf"^{part} is no regular file$"):
        pull(Folder(tmp_path / "store"), archive, settings(tmp_path), patience())


def test_a_version_that_leads_nowhere_is_told_and_nothing_is_asked_for(tmp_path: Path) -> None:
    archive = stored(tmp_path)
    (tmp_path / "models" / "linear").mkdir(parents=True)
    (tmp_path / "models" / "linear" / "1").symlink_to("nowhere")
    with serving(tmp_path / "store") as server:
        with pytest.raises(FileNotFoundError, match=rf"'{tmp_path}/models/linear/1'"):
            pull(Web(server.url), archive, settings(tmp_path), patience())

        assert server.requests == []


@pytest.mark.parametrize("has_locks", [True, False])
def test_folders_of_killed_runs_go_if_it_is_sure_that_they_are_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_locks: bool
) -> None:
    archive = stored(tmp_path)
    own = tmp_path / "models" / "linear" / f".unfinished-{archive.sha256}-1"
    other = own.with_name(f".unfinished-{'0' * 64}-1")
    for folder in (own, other):
        (folder / "linear").mkdir(parents=True)
    if not has_locks:
        monkeypatch.setattr(fcntl, "flock", fail_without_locks)

    pull(Folder(tmp_path / "store"), archive, settings(tmp_path), patience())

    assert (own.exists(), other.exists()) == (not has_locks, True)


def fail_without_locks(*_: object) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


def test_old_leftovers_go_also_if_nothing_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = stored(tmp_path)
    part = tmp_path / "models" / "linear" / f".pulled-{archive.sha256}"
    old = tmp_path / "models" / "other" / f".pulled-{'0' * 64}"
    for path in (part, old):
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (0, 0))

    def remove_those_of_1970(models_dir: Path) -> None:
        for path in models_dir.glob("*/.pulled-*"):
            if path.stat().st_mtime == 0:
                path.unlink()

    monkeypatch.setattr(pulling, "remove_leftovers", remove_those_of_1970)
    with serving(tmp_path / "store") as server:
        server.faults = [status(503)] * 5
        with pytest.raises(Broken):
            pull(Web(server.url), archive, settings(tmp_path), patience())

    assert (part.exists(), old.exists()) == (True, False)


def test_two_runs_at_once_publish_once(tmp_path: Path) -> None:
    archive = stored(tmp_path)
    results: list[bool] = []
    with serving(tmp_path / "store") as server:
        threads = [
            threading.Thread(
                target=lambda: results.append(pull(Web(server.url), archive, settings(tmp_path), patience()))
            )
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(results) == [False, False, True]
        assert len(server.requests) == 1

    assert files(tmp_path / "models") == {"linear", "linear/1", "linear/1/model.onnx", "linear/1/manifest.json"}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    archive = stored(tmp_path)
    (tmp_path / "models").touch()

    with pytest.raises(OSError, match=r"models"):
        pull(Folder(tmp_path / "store"), archive, settings(tmp_path), patience())


def test_a_disk_that_takes_no_more_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    archive = stored(tmp_path)

    with (
        small_files(),
        pytest.raises(OSError, match=rf"File too large: '{tmp_path}/models/linear/.pulled-{archive.sha256}'"),
    ):
        pull(Folder(tmp_path / "store"), archive, settings(tmp_path), patience())

    assert files(tmp_path / "models") == set()


def test_the_newest_version_is_found_and_so_is_a_named_one(tmp_path: Path) -> None:
    archives = [Archive("linear", version, f"{version:064}") for version in (2, 10, 9)]
    store = Folder(tmp_path)
    store.write("linear.versions", write_list(archives))
    for archive in archives:
        store.write(f"{archive.file}.sha256", write_list([archive]))

    assert find(store, "linear", None, patience()).version == 10
    assert find(store, "linear", 9, patience()) == archives[2]


@pytest.mark.parametrize("archive", [Archive("other", 1, "0" * 64), Archive("linear", 2, "0" * 64)])
def test_the_checksum_of_another_version_is_refused(tmp_path: Path, archive: Archive) -> None:
    store = Folder(tmp_path)
    store.write("linear-1.tar.sha256", write_list([archive]))

    with pytest.raises(Refused, match=rf"/linear-1.tar.sha256 has the checksum of {archive.file}$"):
        find(store, "linear", 1, patience())


def test_a_version_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=rf"^there is no {tmp_path}/linear.versions$"):
        find(Folder(tmp_path), "linear", None, patience())
