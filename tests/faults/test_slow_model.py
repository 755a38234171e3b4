"""A model that takes its time: the service stays awake meanwhile, gathers rows, and says when it has too many."""

import contextlib
import os
import re
import select
import signal
import socket
import struct
import sys
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from softmaxd.models.admission import LEAST_REQUESTS
from softmaxd.models.engine_thread import LATER
from softmaxd.models.priorities import steps_for
from tests.support.metrics import metric
from tests.support.onnx_models import publish_slow
from tests.support.server import Server, StartServer
from tests.support.sockets import connect, receive
from tests.support.waiting import until

A_WHILE = 1000.0  # turns of the slow network: about a second
A_MOMENT = A_WHILE / 4  # where nothing has to happen meanwhile
LOWEST_PRIORITY = 19
PATIENT = "1000"  # seconds, so that a batch of a while does not step aside


@pytest.fixture(scope="module", params=["on", "off"], ids="express={}".format)
def lane(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models")
    publish_slow(folder)
    return str(folder)


@pytest.fixture(scope="module")
def server(start_shared_server: StartServer, models: str, lane: str) -> Server:
    """A server for the tests that need no settings of their own, and do not end it."""
    return start_shared_server(models_dir=models, express=lane, run_timeout=PATIENT, queue_timeout=PATIENT)


def rows_run(server: Server) -> float:
    return metric(server.url, "softmaxd_batch_rows_sum")


def batches_run(server: Server) -> float:
    return metric(server.url, "softmaxd_batch_rows_count")


def answered(server: Server) -> float:
    return metric(server.url, "softmaxd_requests_total", operation="/predict")


@contextlib.contextmanager
def asked(server: Server, turns: float, rows: int = 1) -> Iterator[socket.socket]:
    """Ask for a prediction, and go on when it runs, or waits for one that does."""
    body = b'{"instances": [%s]}' % b",".join([b"[%g, 0]" % turns] * rows)
    with connect(server.port) as connection, connect(server.port) as other:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        for _ in range(3):  # a question takes turns of the event loop, in which the rows go to the engine
            other.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert status_of(other) == 200
        yield connection


def is_answered(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0)[0])


def reset(connection: socket.socket) -> None:
    """Let the connection be reset when it is closed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def status_of(connection: socket.socket) -> int:
    return int(receive(connection, b"}").split()[1])


def test_it_runs_in_a_thread_while_the_service_answers_others(server: Server) -> None:
    with asked(server, A_WHILE) as slow:
        assert httpx.get(server.url + "/readyz").status_code == 200
        assert httpx.post(server.url + "/softmax", content=b'{"logits": [1]}').status_code == 200
        assert not is_answered(slow)

        assert status_of(slow) == 200
    assert server.messages()[0]["inline"] is False


def test_rows_gather_into_one_batch_while_another_runs(server: Server) -> None:
    batches, rows = batches_run(server), rows_run(server)

    with contextlib.ExitStack() as stack:
        slow = stack.enter_context(asked(server, A_WHILE))
        others = [stack.enter_context(asked(server, 0, rows=3)) for _ in range(10)]
        assert metric(server.url, "softmaxd_queued_rows") == 30
        assert not is_answered(slow)

        assert [status_of(connection) for connection in (slow, *others)] == [200] * 11
    assert batches_run(server) == batches + 2
    assert rows_run(server) == rows + 31
    assert metric(server.url, "softmaxd_queued_rows") == 0


def test_more_rows_than_may_wait_are_refused_at_once(start_server: StartServer, models: str, lane: str) -> None:
    server = start_server(
        models_dir=models, express=lane, run_timeout=PATIENT, queue_timeout=PATIENT, max_queued_rows="10"
    )

    with asked(server, A_WHILE) as slow, asked(server, 0, rows=10) as waiting:
        refused = httpx.post(server.url + "/predict", content=b'{"instances": [[0, 0]]}')
        assert not is_answered(slow)

        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.json() == {"detail": "10 rows are waiting; try again later"}
        assert [status_of(slow), status_of(waiting)] == [200, 200]
    assert httpx.post(server.url + "/predict", content=b'{"instances": [[0, 0]]}').status_code == 200
    assert metric(server.url, "softmaxd_rejections_total", reason="queue_full") == 1


def test_more_work_than_may_wait_is_refused_at_once(start_server: StartServer, models: str, lane: str) -> None:
    server = start_server(models_dir=models, express=lane, run_timeout=PATIENT, queue_timeout=PATIENT)
    one_row = b'{"instances": [[0, 0]]}'
    for _ in range(2):
        with asked(server, A_WHILE) as slow:
            assert status_of(slow) == 200  # tells that one row takes longer than may wait

    with contextlib.ExitStack() as stack:
        slow = stack.enter_context(asked(server, 2 * A_WHILE))
        waiting = [stack.enter_context(asked(server, 0)) for _ in range(LEAST_REQUESTS)]
        refused = httpx.post(server.url + "/predict", content=one_row)
        assert not is_answered(slow)

        message = (
            "12 rows are waiting, which take more than the 0.1 s of the setting max_queued_seconds; try again later"
        )
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.json() == {"detail": message}
        assert [status_of(connection) for connection in (slow, *waiting)] == [200] * (LEAST_REQUESTS + 1)
    assert httpx.post(server.url + "/predict", content=one_row).status_code == 200


def test_rows_that_wait_too_long_are_given_up_while_another_batch_runs(
    start_server: StartServer, models: str, lane: str
) -> None:
    server = start_server(models_dir=models, express=lane, run_timeout=PATIENT, queue_timeout="0.1")

    with asked(server, A_WHILE) as slow:
        late = httpx.post(server.url + "/predict", content=b'{"instances": [[0, 0]]}')
        assert not is_answered(slow)

        assert late.status_code == 504
        assert late.json() == {"detail": "waited in the queue for more than 0.1 s"}
        assert status_of(slow) == 200
    assert rows_run(server) == 1


def test_the_rows_of_a_client_that_left_do_not_run(server: Server) -> None:
    rows, requests = rows_run(server), answered(server)

    with asked(server, A_WHILE) as slow, asked(server, 0) as staying:
        with asked(server, 0, rows=5) as leaving:
            assert metric(server.url, "softmaxd_queued_rows") == 6
            reset(leaving)
        assert not is_answered(slow)

        assert [status_of(slow), status_of(staying)] == [200, 200]
    assert rows_run(server) == rows + 2
    assert answered(server) == requests + 2


def test_a_client_that_ended_its_side_is_answered_if_it_waits_and_forgotten_if_it_left(
    start_server: StartServer, models: str, lane: str
) -> None:
    server = start_server(models_dir=models, express=lane, run_timeout="60", queue_timeout="60")

    with asked(server, 3 * A_WHILE) as staying:
        staying.shutdown(socket.SHUT_WR)
        with asked(server, 3 * A_WHILE):  # it ends both of its sides, which looks the same until bytes are sent to it
            pass
        answers = receive(staying)
    assert httpx.post(server.url + "/predict", content=b'{"instances": [[0, 0]]}').status_code == 200

    assert answers.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")  # to find out whether it has left
    assert re.findall(rb"HTTP/1.1 (\d+)", answers)[-1] == b"200"
    assert answered(server) == 2


def test_nobody_waits_for_a_client_that_left(start_server: StartServer, models: str, lane: str) -> None:
    server = start_server(models_dir=models, express=lane, run_timeout=PATIENT, drain_timeout="0.1")

    with asked(server, A_WHILE) as leaving:
        reset(leaving)

    assert server.stop() == 0
    assert [message["message"] for message in server.messages()[-2:]][1:] == ["stopped"]
    assert {message["level"] for message in server.messages()} == {"INFO"}


def test_a_batch_that_runs_is_answered_before_the_end(start_server: StartServer, models: str, lane: str) -> None:
    server = start_server(models_dir=models, express=lane, run_timeout=PATIENT, queue_timeout=PATIENT)

    with asked(server, A_WHILE) as slow, asked(server, 0) as waiting:
        server.send_signal(signal.SIGTERM)

        assert [status_of(slow), status_of(waiting)] == [200, 200]
    assert server.wait() == 0


def test_no_deadline_of_the_connection_runs_while_the_model_does(
    start_server: StartServer, models: str, lane: str
) -> None:
    timeouts = {f"{name}_timeout": "0.01" for name in ("header", "request", "keep_alive")}
    server = start_server(models_dir=models, express=lane, run_timeout=PATIENT, **timeouts)

    with asked(server, A_MOMENT) as slow:
        assert status_of(slow) == 200
        assert receive(slow) == b""


def test_bytes_that_are_not_http_are_refused_after_the_requests_before_them(server: Server) -> None:
    body = b'{"instances": [[%g, 0]]}' % (A_WHILE / 2)
    chunked = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (
        len(body),
        body,
    )

    with connect(server.port) as connection:
        connection.sendall(chunked + chunked + b"\0")
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                connection.sendall(b"\0" * 1000)
        answers = receive(connection)

    assert [part.split()[0] for part in answers.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"400"]


def nice_values(server: Server) -> Counter[int]:
    """Return the growth of the nice value of each thread of a server, with the number of such threads."""
    process = server.process.pid
    first = os.getpriority(os.PRIO_PROCESS, process)
    found: Counter[int] = Counter()
    for thread in os.listdir(f"/proc/{process}/task"):
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            found[os.getpriority(os.PRIO_PROCESS, int(thread)) - first] += 1
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own here")
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_all_threads_of_a_model_together_weigh_little_more_than_the_event_loop(
    start_server: StartServer, models: str, threads: int
) -> None:
    """One of them is the engine's; once its run steps aside, it weighs less. The others take part in all runs."""
    server = start_server(models_dir=models, threads=str(threads), run_timeout="40", drain_timeout="0.1")
    most = LOWEST_PRIORITY - os.getpriority(os.PRIO_PROCESS, server.process.pid)
    each, late = min(steps_for(threads), most), min(steps_for(threads) + LATER, most)

    with asked(server, 50 * A_WHILE) as slow:
        until(lambda: nice_values(server)[late])
        nice = nice_values(server)
        assert not is_answered(slow)

    assert nice[late] == 1
    assert nice[each] == threads - 1 or threads == 1
    assert set(nice) == {0, each, late}
    server.stop()
