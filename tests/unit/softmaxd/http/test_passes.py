"""Plain requests of one turn of the event loop, over real connections: each answer is that of its request alone."""

import logging
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NoReturn

import pytest
from prometheus_client.parser import text_string_to_metric_families

from softmaxd.http.express import Call
from softmaxd.process import Server
from softmaxd.protocols.passes import PredictReader
from tests.support.one_connection import Client, connected, run
from tests.support.onnx_models import publish_embedding
from tests.support.paths import MODELS
from tests.support.raw_requests import INFER, INFERENCE, PREDICT, RAW, SOFTMAX, TENSOR, request
from tests.support.sockets import comparable

ID = b"X-Request-ID: %d"
TRACED = b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
COUNTS = {
    "softmaxd_requests_total",
    "softmaxd_request_seconds_count",
    "softmaxd_rejections_total",
    "softmaxd_rows_total",
}
MANY = 16  # requests, more than any reader needs


class Turn:
    """Sends requests that arrive in one turn of the loop, and keeps those that are in no pass."""

    def __init__(self, server: Server, shown: Callable[[bytes], bytes] = comparable) -> None:
        self._server = server
        self._shown = shown
        self.left: list[Call] = []

    async def answers(
        self, requests: Sequence[bytes], before: Callable[[Sequence[Client]], None] = lambda _: None
    ) -> list[bytes]:
        """Return the answers to requests that are sent on a connection each; `before` they are read, call a function.

        A connection that gives its request up has an empty answer.
        """
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connected(self._server)) for _ in requests]
            lane = clients[0].side.lane
            answer = lane.answer_plain

            def noted(calls: list[Call]) -> list[Call]:
                left = answer(calls)
                self.left += left
                return left

            lane.answer_plain = noted
            for client, sent in zip(clients, requests, strict=True):
                client.side.data_received(sent)
            before(clients)
            are_pending = [client.side._call is not None for client in clients]
            pairs = zip(clients, are_pending, strict=True)
            answers = [self._shown(await _answer(client)) if is_pending else b"" for client, is_pending in pairs]
            lane.answer_plain = answer
            assert lane.lifecycle.in_flight == 0
            assert {client.side._call for client in clients} == {None}
            return answers


async def _answer(client: Client) -> bytes:
    head = await client.reader.readuntil(b"\r\n\r\n")
    size = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head + await client.reader.readexactly(size)


def compare(requests: Sequence[bytes], *, left: int, **settings: Any) -> list[bytes]:
    """Compare the answers to requests of one turn with those to each request alone; `left` of them are in no pass."""
    found: list[bytes] = []

    async def main(server: Server) -> None:
        turn = Turn(server)
        alone = [(await turn.answers([sent]))[0] for sent in requests]
        assert turn.left == []  # a request alone asks for no pass
        before = counts(server)
        for sent in requests:
            await turn.answers([sent])
        one_by_one = counts(server) - before
        found.extend(await turn.answers(requests))
        assert found == alone
        assert len(turn.left) == left
        assert counts(server) - before - one_by_one == one_by_one

    run(main, **settings)
    return found


def counts(server: Server) -> Counter[tuple[str, ...]]:
    """Return the counts of requests, rejections and rows."""
    app: Any = server.config.loaded_app
    found: Counter[tuple[str, ...]] = Counter()
    for family in text_string_to_metric_families(app.state.metrics.render().decode()):
        for sample in family.samples:
            if sample.name in COUNTS:
                found[(sample.name, *sample.labels.values())] += int(sample.value)
    return found


def softmax(number: int) -> bytes:
    return request(b"/softmax", b'{"logits": [%d.5, 1, -2.25e%d]}' % (number, number % 3))


def predict(number: int, *fields: bytes) -> bytes:
    return request(b"/predict", b'{"instances": [[%d.25, 0.3]]}' % number, *fields)


NAMED = request(b"/models/blobs/predict"), request(b"/models/blobs/versions/2/predict")
BOTH = b'{"inputs":[{"name":"features","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],"outputs":'
BOTH += (
    b'[{"name":"probabilities","parameters":{"binary_data":%b}},{"name":"logits","parameters":{"binary_data":true}}]}'
)
BYTES, MIXED = (BOTH % wanted + TENSOR for wanted in (b"true", b"false"))
JSON_BYTES = b"Inference-Header-Content-Length: %d"


def infers(body: bytes) -> bytes:
    return request(INFER, body, JSON_BYTES % (len(body) - len(TENSOR)))


TYPICAL = INFERENCE[:-1] + b', "outputs": [{"name": "typicality"}]}'
CLASSES = INFERENCE[:-1] + b', "outputs": [{"name": "logits", "parameters": {"classification": 2}}]}'
TWO_ROWS = INFERENCE.replace(b"[1, 2]", b"[2, 2]").replace(b"15.2, 0.3", b"15.2, 0.3, 1, 2")
MANY_ROWS = INFERENCE.replace(b"[1, 2]", b"[20, 2]").replace(b"15.2, 0.3", b"1, 2, " * 19 + b"1, 2")

TURNS: Mapping[str, tuple[list[bytes], int]] = {
    "predict": ([predict(number) for number in range(MANY)], 0),
    "predict, two": ([PREDICT] * 2, 0),
    "by name and version": ([*NAMED * 2], 0),
    "softmax": ([softmax(number) for number in range(MANY)], 0),
    "few logits": ([SOFTMAX] * 3, 3),
    "logits of other lengths": ([*[SOFTMAX] * 11, *[request(b"/softmax", b'{"logits": [1]}')] * 5], 0),
    "v2, JSON": ([request(INFER, INFERENCE)] * 4, 0),
    "v2, only bytes": ([request(INFER, TENSOR, RAW)] * 4, 0),
    "v2, two outputs as bytes": ([infers(BYTES)] * 3, 0),
    "v2, bytes with an id": ([infers(BYTES.replace(b"{", b'{"id":"7",', 1))] * 3, 0),
    "v2, numbers beside bytes": ([infers(MIXED)] * 3, 0),
    "v2, classes": ([request(INFER, CLASSES)] * 3, 0),
    "v2, outputs that need a calibration": ([request(INFER, TYPICAL)] * 3, 3),
    "v2, two rows": ([request(INFER, TWO_ROWS)] * 3, 0),
    "v2, rows of two kinds": ([request(INFER, TWO_ROWS), request(INFER, INFERENCE)] * 2, 0),
    "v2, compressed answers": ([request(INFER, MANY_ROWS, b"Accept-Encoding: gzip")] * 3, 0),
    "v2, a length that is none": ([request(INFER, TENSOR, b"Inference-Header-Content-Length: x")] * 3, 3),
    "v2, an empty length": ([request(INFER, INFERENCE, b"Inference-Header-Content-Length:")] * 3, 3),
    "v1": ([request(b"/v1/models/blobs:predict")] * 3, 3),
    "long bodies": ([request(b"/predict", PREDICT.partition(b"\r\n\r\n")[2].ljust(1024))] * 3, 3),
    "everything": ([PREDICT, softmax(1), request(INFER, INFERENCE), PREDICT] * 12, 0),
    "wrong ones": ([PREDICT, request(b"/predict", b"{}"), request(b"/predict", b"[[1, 2]]"), PREDICT], 2),
    "one beyond float32": ([PREDICT, request(b"/predict", b'{"instances": [[1e39, 1]]}'), PREDICT], 3),
    "ids": ([predict(number, ID % number) for number in range(3)], 0),
    "outputs that are not finite": ([PREDICT, request(b"/predict", b'{"instances": [[3e38, -3e38]]}'), PREDICT], 0),
}


@pytest.mark.parametrize("turn", TURNS)
def test_requests_of_one_turn_get_the_answers_of_each_alone(turn: str) -> None:
    requests, left = TURNS[turn]

    compare(requests, left=left)


def test_connections_give_turn_after_turn_the_answers_of_each_request_alone() -> None:
    requests = [sent for turn, _ in TURNS.values() for sent in turn[:3]]

    async def main(server: Server) -> None:
        alone = [(await Turn(server).answers([sent]))[0] for sent in requests]
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connected(server)) for _ in range(MANY)]
            for turn in range(0, len(requests), 5):
                places = [(turn + number // 3) % len(requests) for number in range(MANY)]
                for client, place in zip(clients, places, strict=True):
                    client.side.data_received(requests[place])
                for client, place in zip(clients, places, strict=True):
                    assert comparable(await _answer(client)) == alone[place]

    run(main)


def test_a_trace_goes_on_with_a_span_for_each_request() -> None:
    async def main(server: Server) -> None:
        answers = await Turn(server, bytes).answers([predict(number, ID % number, TRACED) for number in range(3)])

        spans = {answer.partition(b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-")[2][:16] for answer in answers}
        assert len(spans) == 3
        for number, answer in enumerate(answers):
            assert b"\r\nx-request-id: %d\r\ntraceparent: " % number in answer

    run(main)


def test_the_rows_of_a_pass_that_fails_run_again_each_by_itself(tmp_path: Path) -> None:
    publish_embedding(tmp_path, 4, datatype="FP32")
    rows = [request(b"/predict", b'{"instances": [[%d]]}' % number) for number in (1, 99, 2, 98, 3)]

    answers = compare(rows, left=0, models=tmp_path)

    assert [answer.split()[1] for answer in answers] == [b"200", b"422", b"200", b"422", b"200"]


@pytest.mark.parametrize(
    "settings", [{"max_queued_rows": 2}, {"queue_timeout": 1e-300}], ids=["a full queue", "no time"]
)
def test_the_limits_of_the_queue_are_those_of_each_request(settings: dict[str, Any]) -> None:
    async def main(server: Server) -> None:
        answers = await Turn(server).answers([PREDICT] * 4)

        full = [b"200", b"200", b"429", b"429"]
        expected = full if "max_queued_rows" in settings else [b"504"] * 4
        assert [answer.split()[1] for answer in answers] == expected

    run(main, **settings)


def test_a_small_limit_of_answers_leaves_each_to_its_operation() -> None:
    compare([PREDICT] * 3 + [SOFTMAX] * 12 + [request(INFER, INFERENCE)] * 3, left=18, max_answer_numbers=4)


def test_the_last_answers_of_connections_say_so() -> None:
    async def main(server: Server) -> None:
        answers = await Turn(server).answers([PREDICT] * 3, lambda clients: clients[1].side.leave())

        assert [b"\r\nconnection: close\r\n" in answer for answer in answers] == [False, True, False]

    run(main)


def test_a_request_whose_client_has_left_is_in_no_pass() -> None:
    async def main(server: Server) -> None:
        def leave(clients: Sequence[Client]) -> None:
            clients[0].side.read_held()
            clients[0].side._give_up()

        answers = await Turn(server).answers([PREDICT] * 3, leave)

        assert [answer.split()[1:2] for answer in answers] == [[], [b"200"], [b"200"]]
        assert counts(server)["softmaxd_rows_total", "blobs", "2"] == 2

    run(main)


def test_a_version_that_is_removed_before_the_pass_answers_its_requests(tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(MODELS, models)

    async def main(server: Server) -> None:
        def remove(clients: Sequence[Client]) -> None:
            for client in clients:
                client.side.read_held()
            call = clients[0].side._call
            assert call is not None
            shutil.rmtree(models / "blobs" / "2")
            repository: Any = call.operation.find
            repository.__self__.update()

        turn = Turn(server)
        answers = [await turn.answers([PREDICT] * 3, before) for before in (remove, lambda _: None)]

        versions = [{answer.partition(b'"version":"')[2][:1] for answer in each} for each in answers]
        assert versions == [{b"2"}, {b"1"}]
        assert turn.left == []

    run(main, models=models)


@pytest.mark.parametrize("settings", [{"access_log": "all"}, {"slow_request_seconds": 1e-9}], ids=str)
def test_each_answer_of_a_pass_gets_its_line(settings: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "softmaxd.http.access_log")

    async def main(server: Server) -> None:
        await Turn(server).answers([predict(number, ID % number) for number in range(3)])

    run(main, **settings)

    lines = [vars(record) for record in caplog.records if record.name == "softmaxd.http.access_log"]
    assert [(line["request_id"], line["rows"], line["status"]) for line in lines] == [
        (str(number), 1, 200) for number in range(3)
    ]
    assert 0 < lines[0]["seconds"] <= 10


def test_only_slow_answers_of_a_pass_get_a_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "softmaxd.http.access_log")

    def delay(clients: Sequence[Client]) -> None:
        call = clients[1].side._call
        assert call is not None
        call.start -= 3600

    async def main(server: Server) -> None:
        await Turn(server).answers([predict(0)])  # its head is known now
        await Turn(server).answers([predict(number, ID % number) for number in range(3)], delay)

    run(main, slow_request_seconds=1800)

    assert [vars(record)["request_id"] for record in caplog.records] == ["1"]


def test_a_bug_in_a_reader_leaves_each_request_to_its_operation(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> NoReturn:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(PredictReader, "read", broken)

    compare([PREDICT] * 3, left=3)

    assert "a pass failed" in caplog.text


def test_requests_for_a_model_that_has_gone_are_parsed_and_the_others_share_a_pass(tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(MODELS, models)
    gone = PREDICT.replace(b"/predict", b"/models/iris/predict").replace(b"[15.2, 0.3]", b"[5, 3, 1, 0]")
    gone = gone.replace(b"Content-Length: 28", b"Content-Length: 29")

    async def main(server: Server) -> None:
        turn = Turn(server)
        await turn.answers([gone])  # its head is known now
        shutil.rmtree(models / "iris")
        app: Any = server.config.loaded_app
        find: Any = app.state.operations[0].find
        find.__self__.update()
        answers = await turn.answers([gone, PREDICT, gone, PREDICT, PREDICT])

        assert [answer.split()[1] for answer in answers] == [b"404", b"200", b"404", b"200", b"200"]

    run(main, models=models)
