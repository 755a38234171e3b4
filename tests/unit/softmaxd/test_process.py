import asyncio
import signal
import time
from pathlib import Path

import pytest
import uvicorn

from softmaxd import process
from softmaxd.ending import LastResort
from softmaxd.http.lifecycle import Lifecycle
from softmaxd.metrics.metrics import Metrics
from softmaxd.process import REPLACED_SECONDS, Server, new_server
from softmaxd.settings import Settings
from tests.support.edge import make_certificate, make_expired
from tests.support.uvicorn_names import names_after, names_of_base


def test_uvicorn_has_the_names_that_a_process_uses() -> None:
    server = uvicorn.Server(uvicorn.Config("", log_config=None))

    assert names_of_base(server, Server) == {
        *("config", "run", "startup", "handle_exit", "on_tick", "shutdown", "should_exit", "force_exit", "server_state")
    }  # and `servers` and `lifespan`, which `startup` makes
    assert names_after("self.server_state", Server) == {"connections"}
    assert hasattr(server.server_state, "connections")


@pytest.mark.parametrize("is_busy", [True, False])
def test_a_run_that_cannot_be_stopped_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch, is_busy: bool) -> None:
    ends: list[tuple[str, int]] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_: None)
    monkeypatch.setattr(process, "is_any_busy", lambda: is_busy)
    monkeypatch.setattr(process, "end_now", lambda reason, code: ends.append((reason, code)))

    Server(uvicorn.Config("", log_config=None), Lifecycle(), Metrics(), Settings()).run()

    assert ends == [("a run of a model cannot be stopped", 0)] * is_busy


@pytest.mark.parametrize("is_service_ending", [True, False])
def test_only_a_service_that_ends_gives_a_proxy_time_to_notice(
    monkeypatch: pytest.MonkeyPatch, is_service_ending: bool
) -> None:
    monkeypatch.setattr(LastResort, "arm", lambda _: None)
    monkeypatch.setattr(Server, "is_service_ending", lambda _: is_service_ending)
    server = Server(uvicorn.Config("", log_config=None), Lifecycle(), Metrics(), Settings(drain_delay=60))

    server.handle_exit(signal.SIGTERM, None)
    assert not asyncio.run(server.on_tick(1))
    time.sleep(2 * REPLACED_SECONDS)

    has_ended = asyncio.run(server.on_tick(1))  # there is no connection
    assert has_ended == (not is_service_ending)


def test_a_certificate_that_has_expired_is_told_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    certificate, key = make_certificate(tmp_path)
    expired = make_expired(tmp_path, certificate, key)

    new_server(Server, Settings(models_dir=tmp_path, tls_cert=expired, tls_key=key))

    assert f"tls_cert {expired} has expired" in caplog.text
