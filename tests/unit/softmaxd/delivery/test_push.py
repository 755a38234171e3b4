"""A version goes into a store whole, once, and with its checksum."""

import hashlib
import re
import shutil
import tempfile
import threading
from pathlib import Path

import pytest

from softmaxd.delivery import push as pushing
from softmaxd.delivery.folder import Folder
from softmaxd.delivery.names import Wanted
from softmaxd.delivery.push import push
from softmaxd.delivery.transfer import Patience, TimeIsOver
from softmaxd.errors import ModelError, Refused
from softmaxd.models import hidden
from softmaxd.models.pins import write_pin
from softmaxd.settings import Settings
from tests.support.full_disk import small_files
from tests.support.onnx_models import linear, publish
from tests.support.processes import run

GOOD = linear().SerializeToString()


@pytest.fixture
def store(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "store")


def models(tmp_path: Path, *versions: int) -> Settings:
    for version in versions:
        publish(tmp_path / "models", version, GOOD)
    return Settings(models_dir=tmp_path / "models")


def patience() -> Patience:
    return Patience(60, lambda _line: None)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_store_has_archives_checksums_and_a_list_of_them(tmp_path: Path, store: Folder) -> None:
    settings = models(tmp_path, 9, 10)

    newest = push(store, Wanted("linear", None), settings, patience())
    older = push(store, Wanted("linear", 9), settings, patience())

    assert [newest[0].version, newest[1], older[0].version, older[1]] == [10, True, 9, True]
    assert files(tmp_path / "store") == {
        "linear-9.tar",
        "linear-9.tar.sha256",
        "linear-10.tar",
        "linear-10.tar.sha256",
        "linear.versions",
    }
    content = (tmp_path / "store" / "linear-9.tar").read_bytes()
    assert hashlib.sha256(content).hexdigest() == older[0].sha256
    checked = run(["sha256sum", "--check", "--strict", "linear.versions"], cwd=tmp_path / "store")
    assert checked.stdout == "linear-9.tar: OK\nlinear-10.tar: OK\n"


def test_the_pinned_version_is_pushed_if_none_is_named(tmp_path: Path, store: Folder) -> None:
    settings = models(tmp_path, 1, 2)
    write_pin(tmp_path / "models" / "linear", 1)

    assert push(store, Wanted("linear", None), settings, patience())[0].version == 1


def test_the_same_again_changes_nothing_and_mends_the_lists(tmp_path: Path, store: Folder) -> None:
    settings = models(tmp_path, 1)
    first, _ = push(store, Wanted("linear", 1), settings, patience())
    (tmp_path / "store" / "linear-1.tar.sha256").unlink()  # as after a run that was killed
    (tmp_path / "store" / "linear.versions").unlink()

    assert push(store, Wanted("linear", 1), settings, patience()) == (first, False)
    assert (tmp_path / "store" / "linear.versions").read_text() == first.line
    assert (tmp_path / "store" / "linear-1.tar.sha256").read_text() == first.line


def test_a_version_never_changes(tmp_path: Path, store: Folder) -> None:
    push(store, Wanted("linear", 1), models(tmp_path, 1), patience())
    before = (tmp_path / "store" / "linear-1.tar").read_bytes()
    publish(tmp_path / "other", 1, linear(bias=(1, 0, 0)).SerializeToString())

    with pytest.raises(Refused, match=r"store/linear-1.tar has another content \(SHA-256 .*\): versions never change"):
        push(store, Wanted("linear", 1), Settings(models_dir=tmp_path / "other"), patience())

    assert (tmp_path / "store" / "linear-1.tar").read_bytes() == before


def test_what_the_trial_refuses_is_not_pushed(tmp_path: Path, store: Folder) -> None:
    publish(tmp_path / "models", 1, b"no graph")

    with pytest.raises(ModelError, match=r"^model.onnx is not an ONNX file, or not all of it$"):
        push(store, Wanted("linear", 1), models(tmp_path), patience())

    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("wanted", "missing"),
    [
        (Wanted("other", None), "model other"),
        (Wanted("other", 1), "other version 1"),
        (Wanted("linear", 2), "linear version 2"),
    ],
)
def test_a_version_that_is_not_there_is_named(tmp_path: Path, store: Folder, wanted: Wanted, missing: str) -> None:
    settings = models(tmp_path, 1)

    with pytest.raises(Refused, match=rf"^{re.escape(str(settings.models_dir))} has no {missing}$"):
        push(store, wanted, settings, patience())


@pytest.mark.parametrize("number", [None, 2])
def test_a_model_whose_pin_cannot_be_read_has_no_version_that_answers(
    tmp_path: Path, store: Folder, number: int | None
) -> None:
    settings = models(tmp_path, 1)
    (tmp_path / "models" / "linear" / "pinned").write_text("one")

    with pytest.raises(Refused, match=rf"^{tmp_path}/models/linear cannot be read: pinned has no number of a version$"):
        push(store, Wanted("linear", number), settings, patience())

    assert push(store, Wanted("linear", 1), settings, patience())[1]


def test_the_time_ends_in_a_trial(tmp_path: Path, store: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = models(tmp_path, 1)
    monkeypatch.setattr(pushing, "try_out", lambda *_: threading.Event().wait())

    with pytest.raises(TimeIsOver, match=rf"^{tmp_path}/store/linear-1.tar is not complete after 0.5 s \(--timeout\)$"):
        push(store, Wanted("linear", 1), settings, Patience(0.5, print))

    assert not (tmp_path / "store").exists()


def test_the_time_ends_as_the_store_takes_the_file_and_nothing_is_left(
    tmp_path: Path, temporary: Path, store: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = models(tmp_path, 1)
    monkeypatch.setattr(pushing, "try_out", lambda *_: None)
    monkeypatch.setattr(shutil, "copyfile", lambda *_: threading.Event().wait())  # a disk that hangs

    with pytest.raises(TimeIsOver):
        push(store, Wanted("linear", 1), settings, Patience(0.5, print))

    assert files(tmp_path / "store") == files(temporary) == set()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def test_a_temporary_folder_that_takes_no_more_is_told(tmp_path: Path, temporary: Path, store: Folder) -> None:
    settings = models(tmp_path, 1)

    with small_files(), pytest.raises(OSError, match=r"File too large: 'the temporary folder \(TMPDIR\)'$"):
        push(store, Wanted("linear", 1), settings, patience())

    assert files(temporary) == set()


def test_files_of_killed_runs_go_once_they_are_old(
    tmp_path: Path, temporary: Path, store: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = models(tmp_path, 1, 2)
    (tmp_path / "store").mkdir()
    for path in (temporary / "softmaxd-push-1", tmp_path / "store" / ".unfinished-1"):
        path.touch()
    push(store, Wanted("linear", 1), settings, patience())
    young = files(temporary) | files(tmp_path / "store")
    monkeypatch.setattr(hidden, "OLD", -60.0)

    push(store, Wanted("linear", 2), settings, patience())

    assert {"softmaxd-push-1", ".unfinished-1"} < young
    assert files(temporary) == set()
    assert ".unfinished-1" not in files(tmp_path / "store")


def test_a_list_has_the_versions_of_one_model(tmp_path: Path, store: Folder) -> None:
    settings = models(tmp_path, 1)
    publish(tmp_path / "models", 2, GOOD, name="linear-1")

    push(store, Wanted("linear-1", 2), settings, patience())
    push(store, Wanted("linear", 1), settings, patience())

    lines = {name: (tmp_path / "store" / f"{name}.versions").read_text() for name in ("linear", "linear-1")}
    assert [line.split()[1:] for line in lines.values()] == [["linear-1.tar"], ["linear-1-2.tar"]]


def test_runs_at_once_lose_no_version(tmp_path: Path, store: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = range(1, 6)
    settings = models(tmp_path, *versions)
    monkeypatch.setattr(pushing, "try_out", lambda *_: None)  # five at once take their time
    threads = [
        threading.Thread(target=push, args=(store, Wanted("linear", version), settings, patience()))
        for version in versions
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    listed = (tmp_path / "store" / "linear.versions").read_text().splitlines()
    assert [line.split()[1] for line in listed] == [f"linear-{version}.tar" for version in versions]
