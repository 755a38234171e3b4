import pytest
import uvicorn

from softmaxd import process
from softmaxd.http.lifecycle import Lifecycle
from softmaxd.metrics.metrics import Metrics
from softmaxd.process import Server
from softmaxd.settings import Settings
from tests.support.uvicorn_names import names_after, names_of_base


def test_uvicorn_has_the_names_that_a_process_uses() -> None:
    server = uvicorn.Server(uvicorn.Config(""))

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

    Server(uvicorn.Config(""), Lifecycle(), Metrics(), Settings()).run()

    assert ends == [("a run of a model cannot be stopped", 0)] * is_busy
