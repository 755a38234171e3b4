"""The express lane without a socket, on a loop whose time the tests tell."""

import asyncio
import weakref
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from softmaxd.app import create_app
from softmaxd.errors import OutputNotFinite
from softmaxd.http.budget import Share
from softmaxd.http.express import Call, ExpressLane
from softmaxd.http.heads import PlainHead, PlainHeads
from softmaxd.http.ids import new_ids
from softmaxd.http.operation import Headers, Job, Reply
from softmaxd.http.turns import LARGE_BYTES
from softmaxd.models.outputs import Features, Outputs
from softmaxd.settings import Settings
from tests.support.onnx_models import linear, publish
from tests.support.operations import changed

BODY = b'{"instances": [[1, 2]]}'


@pytest.fixture
def lane(tmp_path: Path) -> ExpressLane:
    publish(tmp_path, 1, linear().SerializeToString())
    settings = Settings(models_dir=tmp_path)
    state = create_app(settings).state
    heads = PlainHeads(state.operations, settings, state.access)
    return ExpressLane(heads, state.refuse, state.lifecycle, state.metrics, settings)


def plain(lane: ExpressLane, body_bytes: int = len(BODY), **changes: Any) -> PlainHead:
    found = lane.heads.find(b"/predict", [(b"content-length", b"%d" % body_bytes)])
    assert found is not None
    operation, name, version = found.target
    return replace(found, target=(changed(operation, **changes), name, version))


def run(lane: ExpressLane, heads: list[PlainHead], bodies: list[bytes], *, gone: Collection[int] = ()) -> list[Reply]:
    """Return the replies of calls that arrive in one turn of the loop, in their order."""
    return [reply for _, reply in answered(lane, heads, bodies, gone=gone)]


def answered(
    lane: ExpressLane, heads: list[PlainHead], bodies: list[bytes], *, gone: Collection[int] = ()
) -> list[tuple[Call, Reply]]:
    """Return the calls, too."""
    replies: list[tuple[Call, Reply]] = []
    kept = SimpleNamespace(send=lambda call, reply: replies.append((call, reply)))

    async def main() -> None:
        for index, (head, body) in enumerate(zip(heads, bodies, strict=True)):
            operation, name, version = head.target
            call = Call(kept, lane, Share(lane.budget))
            call.begin(operation.find(name, version), head, new_ids())
            call.gather(body)
            call.go_on()
            call.response_complete = index in gone
        async with asyncio.timeout(5):
            while len(replies) < len(heads) - len(gone):  # noqa: ASYNC110 - it takes turns of the loop
                await asyncio.sleep(0.001)

    asyncio.run(main())
    return replies


def broken(*_: object) -> NoReturn:
    raise ZeroDivisionError("a secret")


def refused(*_: object) -> NoReturn:
    raise OutputNotFinite(0)


@pytest.mark.parametrize("changes", [{}, {"encode": refused}], ids=["answered", "refused"])
def test_a_call_that_its_connection_keeps_holds_no_rows(lane: ExpressLane, changes: dict[str, Any]) -> None:
    decode = plain(lane).target[0].decode
    rows: list[weakref.ref[Features]] = []

    def remember(*arguments: Any) -> Job:
        job = decode(*arguments)
        assert job.features is not None
        rows.append(weakref.ref(job.features))
        return job

    calls = answered(lane, [plain(lane, decode=remember, **changes)], [BODY])

    assert len(calls) == len(rows) == 1
    assert rows[0]() is None


@pytest.mark.parametrize("step", ["decode", "encode"])
def test_a_bug_is_a_bare_500_and_the_others_are_answered(
    lane: ExpressLane, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    heads = [plain(lane), plain(lane, len(BODY), **{step: broken}), plain(lane)]

    replies = run(lane, heads, [BODY] * 3)

    assert sorted(reply.status for reply in replies) == [200, 200, 500]
    assert next(reply.body for reply in replies if reply.status == 500) == b'{"detail":"Internal Server Error"}'
    assert "/predict failed" in caplog.text
    assert "a secret" in caplog.text


def test_a_call_whose_client_has_gone_is_not_run(lane: ExpressLane) -> None:
    seen: list[bytes] = []

    def decode(body: bytes, _headers: Headers, _model: object) -> Job:
        seen.append(body)
        return Job(None)

    def encode(_outputs: Outputs, _job: Job) -> Reply:
        return Reply(b"")

    head = plain(lane, decode=decode, encode=encode)
    large = plain(lane, decode=decode, encode=encode, body_bytes=LARGE_BYTES + 1)

    run(lane, [head, large, head, large], [b"a", b"b", b"c", b"d"], gone={0, 1})

    assert seen == [b"c", b"d"]


def test_a_bug_in_the_reading_of_a_request_ends_its_connection_alone(
    lane: ExpressLane, caplog: pytest.LogCaptureFixture
) -> None:
    ended = []
    bad = SimpleNamespace(read_held=broken, transport=SimpleNamespace(abort=lambda: ended.append(True)))
    replies: list[Reply] = []
    good = SimpleNamespace(send=lambda _, reply: replies.append(reply))

    async def main() -> None:
        Call(bad, lane, Share(lane.budget)).hold(b"POST")
        call = Call(good, lane, Share(lane.budget))
        operation, name, version = plain(lane).target
        call.begin(operation.find(name, version), plain(lane), new_ids())
        call.body = BODY
        call.go_on()
        await asyncio.sleep(0.01)

    asyncio.run(main())

    assert ended == [True]
    assert [reply.status for reply in replies] == [200]
    assert "a secret" in caplog.text
