"""How the served versions follow the models folder: no version is lost that is not known to be gone."""

import errno
import logging
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from softmaxd.errors import ModelError, ModelNotFound, NotReady, StartupError
from softmaxd.models import watching
from softmaxd.models.files import NotNow
from softmaxd.models.folders import Found, look
from softmaxd.models.loading import ignore_runs
from softmaxd.models.pins import PIN_FILE, remove_pin, write_pin
from softmaxd.models.routes import ROUTE_FILE, Route, remove_route, write_route
from softmaxd.models.versions import Version
from softmaxd.models.watching import FIRST_PAUSE, LAST_PAUSE, Watcher
from softmaxd.settings import Settings
from tests.support.onnx_models import linear, publish
from tests.support.waiting import until

GOOD = linear().SerializeToString()
KEY = ("linear", 1)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    publish(tmp_path / "models", 1, GOOD)
    return tmp_path / "models"


def watcher(models: Path, shared: Path | None = None, **settings: float) -> Watcher:
    found = Watcher(
        Settings.model_validate({"models_dir": models, "reload_interval": 0, **settings}), ignore_runs, shared
    )
    found.start()
    return found


def states(watcher: Watcher) -> dict[tuple[str, int], str]:
    return {key: version.state for key, version in watcher.catalogue.versions.items()}


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let every look at the models folder hang, as on a network mount, until the event is set."""
    release = threading.Event()

    def look_and_hang(folder: Path) -> Found:
        release.wait()
        return look(folder)

    monkeypatch.setattr(watching, "look", look_and_hang)
    yield release
    release.set()


def test_a_models_folder_that_is_away_for_a_while_loses_nothing(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    found = watcher(models)
    model = found.catalogue.current["linear"]

    models.rename(models.with_name("away"))
    found.update()
    found.update()
    away, problems = found.catalogue.current, found.problems
    models.with_name("away").rename(models)
    found.update()

    assert away == found.catalogue.current == {"linear": model}
    assert problems == [f"The models folder cannot be read: {os.strerror(errno.ENOENT)}"]
    assert found.problems == []
    assert [record.getMessage() for record in caplog.records if "folder" in record.getMessage()] == [
        f"{problems[0]}; the versions that were loaded stay in service",
        "every folder of models can be read again",
    ]


def test_a_link_that_leads_nowhere_for_a_while_loses_nothing(models: Path) -> None:
    elsewhere = models.with_name("elsewhere")
    (models / "linear").rename(elsewhere)
    (models / "linear").symlink_to(elsewhere)
    publish(models, 1, GOOD, name="other")
    found = watcher(models)

    elsewhere.rename(models.with_name("away"))
    found.update()

    assert states(found) == {KEY: "ready", ("other", 1): "ready"}
    assert found.problems == [f"The folder of linear cannot be read: {os.strerror(errno.ENOENT)}"]


def test_a_version_that_is_replaced_is_served_until_the_new_one_is(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = watcher(models)
    publish(models, 2, linear((1.0, 0.0, 0.0)).SerializeToString())
    shutil.rmtree(models / "linear" / "1")
    during: list[dict[tuple[str, int], str]] = []
    monkeypatch.setattr(watching, "try_out", lambda *_: during.append(states(found)))

    found.update()

    assert during == [{KEY: "ready", ("linear", 2): "loading"}]
    assert states(found) == {("linear", 2): "ready"}


def test_a_version_whose_files_are_away_goes_on_being_served(models: Path) -> None:
    elsewhere = models.with_name("elsewhere")
    (models / "linear" / "1").rename(elsewhere)
    (models / "linear" / "1").symlink_to(elsewhere)
    found = watcher(models)

    elsewhere.rename(models.with_name("away"))
    found.update()
    away = found.catalogue.versions[KEY]
    models.with_name("away").rename(elsewhere)
    found.update()

    assert (away.state, away.reason) == ("ready", "No such file or directory: manifest.json")
    assert away.model is not None
    assert (found.catalogue.versions[KEY].state, found.catalogue.versions[KEY].reason) == ("ready", "")


def test_a_version_that_is_gone_is_retired(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    found = watcher(models)

    (models / "linear" / "1").rename(models / ".gone")
    found.update()

    assert states(found) == {}
    assert "retired linear version 1" in caplog.messages


def test_a_folder_that_hangs_counts_as_unreadable(models: Path, hang: threading.Event) -> None:
    found = watcher(models, scan_timeout=0.05)
    publish(models, 2, GOOD)

    found.update()
    before, problems = states(found), found.problems
    with pytest.raises(NotReady, match="models folder cannot be read"):
        found.load("other")
    hang.set()
    found.update()

    assert before == {KEY: "ready"}
    assert problems == ["The models folder cannot be read: it took more than 0.05 s (scan_timeout)"]
    assert states(found) == {KEY: "ready", ("linear", 2): "ready"}


def test_the_end_does_not_wait_for_a_folder_that_hangs(models: Path, hang: threading.Event) -> None:
    found = watcher(models, reload_interval=0.01, scan_timeout=600)
    found.watch()
    until(lambda: any(thread.name == "aside" for thread in threading.enumerate()))

    found.close()

    assert found._thread is not None
    assert not found._thread.is_alive()
    assert not hang.is_set()


def test_a_change_waits_for_another_one_but_not_at_the_end(models: Path) -> None:
    found = watcher(models)
    with found._changing():
        threading.Timer(0.15, found.close).start()
        with pytest.raises(NotReady, match="shutting down"):
            found.update()


def test_the_watcher_ends_though_another_change_goes_on(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = watcher(models, reload_interval=0.001)
    with found._changing():
        found.watch()
        threading.Timer(0.2, found._stop.set).start()
        assert found._thread is not None
        found._thread.join()

    assert "failed" not in caplog.text


def test_a_stop_in_the_middle_of_an_update_leaves_the_rest(models: Path) -> None:
    found = watcher(models)
    publish(models, 2, GOOD)
    found.close()

    found.update()

    assert states(found) == {KEY: "ready"}


def test_a_start_with_a_folder_that_hangs_is_refused(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(watching, "look_first", lambda _folder: release.wait())

    with pytest.raises(StartupError, match=rf"^{models} cannot be read: it took more than 0\.05 s \(scan_timeout\)$"):
        watcher(models, scan_timeout=0.05)
    release.set()


def test_a_model_is_unloaded_also_while_its_folder_is_away(models: Path) -> None:
    found = watcher(models)
    models.rename(models.with_name("away"))

    found.unload("linear")

    assert states(found) == {KEY: "unloaded"}
    with pytest.raises(NotReady, match="models folder cannot be read"):
        found.load("linear")


def test_a_model_that_is_not_in_its_folder_is_not_found(models: Path) -> None:
    (models / "loop").symlink_to(models / "loop")

    with pytest.raises(ModelNotFound):
        watcher(models).load("other")
    with pytest.raises(NotReady, match="folder of loop cannot be read"):
        watcher(models).load("loop")


def let_trials_fail(folder: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let the first trials be killed, as by a system without memory; the others are real."""
    python = folder / "python"
    python.write_text(
        f"#!/bin/sh\nn=$(cat {folder}/count 2>/dev/null || echo 0)\necho $((n + 1)) > {folder}/count\n"
        f'[ $n -lt {times} ] && kill -9 $$\nexec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))


def test_a_trial_that_failed_for_want_of_memory_is_tried_again(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watching, "FIRST_PAUSE", 0.01)
    let_trials_fail(tmp_path, monkeypatch, times=2)
    found = watcher(models)
    publish(models, 2, linear((1.0, 0.0, 0.0)).SerializeToString())

    found.update()
    first = found.catalogue.versions["linear", 2]
    while states(found)["linear", 2] != "ready":
        found.update()

    assert (first.state, first.failures) == ("rejected", 1)
    assert first.reason.endswith("killed, most likely because the machine had no memory left; it is tried again")
    assert "linear version 2 is tried again in 0.01 s: its trial was killed" in caplog.text
    assert "linear version 2 is tried again in 0.02 s: its trial was killed" in caplog.text
    assert found.catalogue.versions["linear", 2] == Version(
        "linear", 2, "ready", model=found.catalogue.current["linear"], stamp=first.stamp
    )


def test_a_file_that_has_passed_is_not_tried_twice(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = watcher(models)
    let_trials_fail(tmp_path, monkeypatch, times=0)
    for version in (2, 3):
        publish(models, version, GOOD)

    found.update()

    assert found.catalogue.current["linear"].manifest.version == 3
    assert (tmp_path / "count").read_text() == "1\n"


def test_a_trial_that_a_stop_ends_is_no_news(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = watcher(models)
    found.close()

    assert found._rejected(KEY, (), NotNow("it was stopped"), 0).failures == 1
    assert caplog.text == ""


def test_to_load_a_model_that_cannot_be_tried_now_may_be_asked_again(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = watcher(models)
    let_trials_fail(tmp_path, monkeypatch, times=1)
    publish(models, 1, linear((1.0, 0.0, 0.0)).SerializeToString(), name="other")

    with pytest.raises(NotReady, match=r"had no memory left; it is tried again$"):
        found.load("other")
    found.load("other")

    assert states(found)["other", 1] == "ready"


def test_a_newer_file_that_cannot_be_tried_now_leaves_the_old_one_in_service(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = watcher(models)
    let_trials_fail(tmp_path, monkeypatch, times=9)
    (models / "linear" / "1").rename(models / ".old")
    publish(models, 1, linear((1.0, 0.0, 0.0)).SerializeToString())

    found.update()
    found.update()  # before the pause is over

    version = found.catalogue.versions[KEY]
    assert (version.state, version.failures) == ("ready", 1)
    assert version.reason.endswith("it is tried again")
    assert (tmp_path / "count").read_text() == "1\n"


def test_a_pause_grows_up_to_a_bound(models: Path) -> None:
    found = watcher(models)
    pauses = [found._rejected(KEY, (), NotNow("busy"), failures) for failures in (*range(30), 5000)]
    due = [version.due for version in pauses]

    assert due[1] - due[0] > FIRST_PAUSE / 2
    assert due[29] - due[0] < LAST_PAUSE
    assert [version.failures for version in pauses] == [*range(1, 31), 5001]


def test_the_fault_of_a_version_is_tried_once(models: Path) -> None:
    found = watcher(models)
    publish(models, 2, b"broken")

    found.update()
    version = found.catalogue.versions["linear", 2]
    found.update()

    assert found.catalogue.versions["linear", 2] is version
    assert (version.state, version.failures) == ("rejected", 0)
    (models / "linear" / "1").rename(models / ".gone")
    with pytest.raises(ModelError, match="not an ONNX file"):
        found.load("linear")


def test_the_watcher_survives_what_happens_to_the_folder(
    models: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = watcher(models, reload_interval=0.01)

    def fail() -> None:
        monkeypatch.undo()
        raise PermissionError("for once")

    monkeypatch.setattr(found, "update", fail)
    found.watch()
    found.watch()  # a second call changes nothing
    publish(models, 2, GOOD)
    until(lambda: found.catalogue.current["linear"].manifest.version == 2)
    found.close()

    assert "looking for new models failed" in caplog.text


def test_nothing_is_watched_with_an_interval_of_0(models: Path) -> None:
    found = watcher(models)
    found.watch()
    found.close()

    assert found._thread is None


def answers(watcher: Watcher) -> int:
    return watcher.catalogue.current["linear"].manifest.version


def test_a_pinned_version_answers_until_the_pin_is_gone(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    publish(models, 2, GOOD)
    found = watcher(models)

    write_pin(models / "linear", 1)
    found.update()
    pinned = answers(found)
    remove_pin(models / "linear")
    found.update()

    assert (pinned, answers(found)) == (1, 2)
    assert [record.getMessage() for record in caplog.records if "pinned" in record.getMessage()] == [
        "linear version 1 is pinned",
        "linear has no pinned version any more",
    ]


def test_a_pin_is_there_from_the_start(models: Path) -> None:
    publish(models, 2, GOOD)
    write_pin(models / "linear", 1)

    assert answers(watcher(models)) == 1


def test_a_route_is_followed_until_it_is_off(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    publish(models, 2, GOOD)
    write_pin(models / "linear", 1)
    write_route(models / "linear", Route(((2, 1000),)))
    found = watcher(models)
    shares = [found.catalogue.share(version) for version in found.catalogue.sorted()]

    write_route(models / "linear", Route(shadow=2))
    found.update()
    shadows = [found.catalogue.is_shadow(version) for version in found.catalogue.sorted()]
    remove_route(models / "linear")
    found.update()
    found.update()

    assert (shares, shadows) == ([0.9, 0.1], [False, True])
    assert found.catalogue.routed == {}
    assert [record.getMessage() for record in caplog.records if "route" in record.getMessage()] == [
        "linear has a route: 10% to version 2",
        "linear has a route: version 2 as a shadow",
        "linear has no route any more",
    ]


def test_a_route_to_a_version_that_is_rejected_is_reported_once_and_followed_when_it_is_ready(
    models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_pin(models / "linear", 1)
    broken = publish(models, 2, GOOD, digest="0" * 64)
    write_route(models / "linear", Route(((2, 1000),)))
    found = watcher(models)
    found.update()
    problems = found.problems
    shutil.rmtree(broken)
    publish(models, 2, GOOD)
    found.update()

    assert problems == ["Version 2 of linear should answer 10% of its requests, but it is rejected"]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == problems
    assert (found.problems, found.catalogue.routed["linear"].shares) == ([], {1: 9000, 2: 1000})


def test_a_route_that_cannot_be_read_is_as_it_was(models: Path) -> None:
    publish(models, 2, GOOD)
    write_pin(models / "linear", 1)
    write_route(models / "linear", Route(((2, 1000),)))
    found = watcher(models)

    (models / "linear" / ROUTE_FILE).write_text("2 1000%\n")
    found.update()

    reason = "line 1 of route should be like 2 10% or, once, like 3 shadow"
    assert found.problems == [f"The folder of linear cannot be read: {reason}"]
    assert found.catalogue.routed["linear"].shares == {1: 9000, 2: 1000}


def test_a_pinned_version_that_vanishes_is_reported_once_and_the_highest_one_answers(
    models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for version in (2, 3):
        publish(models, version, GOOD)
    write_pin(models / "linear", 2)
    found = watcher(models)

    shutil.rmtree(models / "linear" / "2")
    found.update()
    found.update()
    problems, highest = found.problems, answers(found)
    publish(models, 2, GOOD)
    found.update()

    assert problems == ["Version 2 of linear is pinned, but there is no such version; version 3 answers"]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == problems
    assert (highest, answers(found), found.problems) == (3, 2, [])


def test_a_new_pin_counts_once_its_version_is_ready(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(models, 2, GOOD)
    write_pin(models / "linear", 1)
    found = watcher(models)
    seen: list[int] = []

    def look_on(*_arguments: object) -> None:
        seen.append(answers(found))

    monkeypatch.setattr(watching, "try_out", look_on)
    publish(models, 3, linear((1.0, 0.0, 0.0)).SerializeToString())
    write_pin(models / "linear", 3)
    found.update()

    assert (seen, answers(found)) == ([1], 3)


def test_a_pin_in_a_folder_that_cannot_be_read_stays(models: Path) -> None:
    publish(models, 2, GOOD)
    write_pin(models / "linear", 1)
    found = watcher(models)

    (models / "linear" / PIN_FILE).write_text("one")
    found.update()

    assert answers(found) == 1
    assert found.problems == [f"The folder of linear cannot be read: {PIN_FILE} has no number of a version"]
