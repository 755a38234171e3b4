"""`softmaxd.client` while the service is killed, drained or overloaded: the calls wait, and none fails."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from softmaxd.client import Busy, Client, ClientError, ConnectionLost, Retries, Unauthorized
from tests.support.keys import FIRST, SECOND, hashed
from tests.support.metrics import metric
from tests.support.onnx_models import publish_slow
from tests.support.server import StartServer
from tests.support.waiting import until

THREADS = 4
PATIENT = Retries(most=100, longest_wait=1.0, budget=1_000.0)  # a start takes long on a busy machine
SOME = 50  # answers
TURNS = 300.0  # of the slow network: some tenths of a second


class Caller(threading.Thread):
    """Asks all the time, until it is told to stop or a call fails."""

    def __init__(self, client: Client, row: list[float]) -> None:
        super().__init__()
        self.client = client
        self.row = row
        self.answers = 0
        self.failure: ClientError | None = None
        self.stop = False
        self.start()

    def run(self) -> None:
        try:
            while not self.stop:
                self.client.predict([self.row])
                self.answers += 1
        except ClientError as error:
            self.failure = error


@contextlib.contextmanager
def calling(client: Client, row: list[float]) -> Iterator[list[Caller]]:
    """Let threads call while the block runs."""
    callers = [Caller(client, row) for _ in range(THREADS)]
    yield callers
    for caller in callers:
        caller.stop = True
    for caller in callers:
        caller.join()


def have_more(callers: list[Caller], before: list[int]) -> bool:
    """Whether each caller has some answers more, or has failed."""
    return all(
        caller.failure or caller.answers >= answers + SOME for caller, answers in zip(callers, before, strict=True)
    )


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "drained"])
def test_no_call_fails_while_the_service_starts_again(start_server: StartServer, end: signal.Signals) -> None:
    server = start_server(traced=False)
    with Client(server.url, retries=PATIENT) as client, calling(client, [15.2, 0.3]) as callers:
        until(lambda: have_more(callers, [0] * THREADS))

        server.send_signal(end)
        server.wait()
        before = [caller.answers for caller in callers]
        start_server("--port", str(server.port), traced=False)

        until(lambda: have_more(callers, before))

    assert [caller.failure for caller in callers] == [None] * THREADS


@pytest.mark.parametrize("express", ["on", "off"])
def test_calls_wait_while_the_queue_is_full(start_server: StartServer, tmp_path: Path, express: str) -> None:
    publish_slow(tmp_path)
    server = start_server(models_dir=str(tmp_path), express=express, max_queued_rows="1")

    with Client(server.url, retries=PATIENT) as client, calling(client, [TURNS, 0]) as callers:
        until(lambda: metric(server.url, "softmaxd_rejections_total", reason="queue_full"))
    with Client(server.url, retries=Retries(most=0)) as client, calling(client, [TURNS, 0]) as hasty:
        until(lambda: any(caller.failure for caller in hasty))

    assert [caller.failure for caller in callers] == [None] * THREADS
    failures = [caller.failure for caller in hasty if caller.failure]
    assert {(type(failure), failure.status) for failure in failures} == {(Busy, 429)}


def test_a_key_is_sent_and_a_wrong_one_is_an_exception(start_server: StartServer) -> None:
    server = start_server(api_keys=hashed(FIRST))
    with Client(server.url, api_key=FIRST) as client:
        assert client.predict([[15.2, 0.3]]).labels == ["blob-0"]

    with Client(server.url) as client, pytest.raises(Unauthorized, match=r"^A key is needed"):
        client.predict([[15.2, 0.3]])
    with Client(server.url, api_key=SECOND) as client, pytest.raises(Unauthorized):
        client.models()


def test_a_service_that_is_gone_is_an_exception(start_server: StartServer) -> None:
    server = start_server()
    with Client(server.url, retries=Retries(most=1)) as client:
        client.models()
        assert server.stop() == 0

        with pytest.raises(ConnectionLost, match=r"^No connection to 127\.0\.0\.1: "):
            client.models()
