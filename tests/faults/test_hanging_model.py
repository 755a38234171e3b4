"""A model that is fast when it is loaded, and takes for ever for some rows: the service goes on, and ends in time."""

import contextlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.metrics import metric
from tests.support.onnx_models import boxing, looping, publish_both
from tests.support.server import Server, StartServer
from tests.support.sockets import connect, post_together
from tests.support.waiting import until

TURNS, BOXES = 3e9, 200_000.0  # minutes
CLIENTS = 20
PATHS = ("/models/odd/predict", "/v1/models/odd:predict", "/v2/models/odd/infer")
TIMEOUT = "the model took more than 1 s for these rows (run_timeout)"
STUCK = "a model has held up the process for more than 1 s and cannot be stopped: ending the process now"
ENDED = "the process goes on 1.2 s after the signal to end: ending the process now"


@pytest.fixture(params=["on", "off"], ids="express={}".format)
def lane(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def body_of(path: str, number: float) -> dict[str, object]:
    if path.startswith("/v2"):
        return {"inputs": [{"name": "features", "shape": [1, 2], "datatype": "FP32", "data": [number, 1]}]}
    return {"instances": [[number, 1]]}


@contextlib.contextmanager
def hanging(server: Server, number: float) -> Iterator[socket.socket]:
    """Send a request that does not end, and go on when it runs."""
    body = b'{"instances": [[%g, 1]]}' % number
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (PATHS[0].encode(), len(body))
    with connect(server.port) as connection:
        connection.sendall(head + body)
        if number == BOXES:
            assert all(line["inline"] for line in server.messages() if "row_microseconds" in line)
            until(lambda: not is_alive(server))
        else:
            until(lambda: messages(server, "WARNING"))
        yield connection


def is_alive(server: Server) -> bool:
    try:
        return httpx.get(server.url + "/livez", timeout=0.3).is_success
    except httpx.HTTPError:
        return False


def messages(server: Server, level: str) -> list[object]:
    return [line["message"] for line in server.messages() if line["level"] == level]


@pytest.mark.parametrize("path", PATHS)
def test_it_gets_504_and_the_others_their_answers(
    start_server: StartServer, tmp_path: Path, lane: str, path: str
) -> None:
    publish_both(tmp_path, looping())
    server = start_server(models_dir=str(tmp_path), express=lane, run_timeout="1")
    alone = {number: post_together(server.port, path, [body_of(path, number)])[0] for number in (0, 0.5)}
    numbers = [TURNS if client % 7 == 3 else client % 2 / 2 for client in range(CLIENTS)]

    for _ in range(2):  # at first the model runs in the event loop, then in threads
        answers = post_together(server.port, path, [body_of(path, number) for number in numbers])

        for number, (status, body) in zip(numbers, answers, strict=True):
            assert (status, body) == alone.get(number, (504, body))
            assert number < TURNS or TIMEOUT in body
    assert httpx.post(server.url + "/models/plain/predict", json=body_of("", 1)).status_code == 200
    assert metric(server.url, "softmaxd_rejections_total", reason="run_timeout") == 6
    assert server.stop() == 0
    warnings = [line for line in messages(server, "WARNING") if str(line).startswith("odd")]
    assert warnings[:2] == [
        "odd version 1: a run took more than 0.025 s, so it runs in threads from now on",
        f"odd version 1: {TIMEOUT}",
    ]
    assert all("lines like this were left out" in str(line) for line in warnings[2:])  # of a test of over a minute
    assert messages(server, "ERROR") == messages(server, "CRITICAL") == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_ends_the_process_after_the_drain(
    start_server: StartServer, tmp_path: Path, lane: str, workers: str
) -> None:
    publish_both(tmp_path, looping())
    server = start_server(models_dir=str(tmp_path), express=lane, drain_timeout="0.2", workers=workers)

    with hanging(server, TURNS):
        server.send_signal(signal.SIGTERM)

        assert server.wait() == 0
    assert "gave up 1 requests that were still in flight" in messages(server, "WARNING")
    assert server.messages()[-1]["message"] == "stopped"


def test_sigterm_ends_a_process_whose_event_loop_is_held_up(
    start_server: StartServer, tmp_path: Path, lane: str
) -> None:
    publish_both(tmp_path, boxing())
    server = start_server(models_dir=str(tmp_path), express=lane, drain_timeout="0.2")

    with hanging(server, BOXES):
        server.send_signal(signal.SIGTERM)

        assert server.wait() == 1
    assert messages(server, "CRITICAL") == [ENDED]


def test_a_worker_whose_event_loop_is_held_up_is_replaced(start_server: StartServer, tmp_path: Path) -> None:
    publish_both(tmp_path, boxing())
    server = start_server(models_dir=str(tmp_path), run_timeout="1", workers="2")

    with hanging(server, BOXES):
        until(lambda: STUCK in messages(server, "CRITICAL"))
        until(lambda: messages(server, "INFO").count("serving plain version 1 on CPUExecutionProvider") == 4)

    assert httpx.post(server.url + "/models/plain/predict", json=body_of("", 1)).status_code == 200
    assert server.stop() == 0


def test_a_process_whose_event_loop_is_held_up_ends(start_server: StartServer, tmp_path: Path) -> None:
    publish_both(tmp_path, boxing())
    server = start_server(models_dir=str(tmp_path), run_timeout="1")

    with hanging(server, BOXES):
        assert server.wait() == 1
    assert messages(server, "CRITICAL") == [STUCK]


def test_a_kernel_in_a_thread_holds_up_nobody(start_server: StartServer, tmp_path: Path, lane: str) -> None:
    publish_both(tmp_path, boxing(), most=3000)  # boxes are compared when it is loaded: it runs in threads
    server = start_server(models_dir=str(tmp_path), express=lane, run_timeout="1")

    numbers = [BOXES, 1, 2, 3]
    answers = post_together(server.port, PATHS[0], [body_of("", number) for number in numbers])

    assert [status for status, _ in answers] == [504, 200, 200, 200]
    assert TIMEOUT in answers[0][1]
    assert server.stop() == 0
    assert messages(server, "WARNING")[-1] == "a run of a model cannot be stopped: ending the process now"
