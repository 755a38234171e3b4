"""The express lane without a socket, on a loop whose time the tests tell."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from softmaxd.app import create_app
from softmaxd.http import express
from softmaxd.http.express import LARGE_BYTES, MAX_KNOWN_BYTES, MAX_KNOWN_HEADS, Call, PlainHead, Shared
from softmaxd.http.operation import Headers, Job, Reply
from softmaxd.models.outputs import Outputs
from softmaxd.settings import Settings
from tests.onnx_models import linear, publish

BODY = b'{"instances": [[1, 2]]}'


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    publish(tmp_path, 1, linear().SerializeToString())
    settings = Settings(models_dir=tmp_path)
    state = create_app(settings).state
    return Shared(state.operations, state.refuse, state.lifecycle, state.metrics, settings)


def plain(shared: Shared, body_bytes: int = len(BODY), **changes: Any) -> PlainHead:
    found = shared.targets.find(b"/predict")
    assert found is not None
    operation, name, version = found
    return PlainHead((replace(operation, **changes), name, version), [], body_bytes)


def run(shared: Shared, heads: list[PlainHead], bodies: list[bytes], *, gone: Collection[int] = ()) -> list[Reply]:
    """Return the replies of calls that arrive in one turn of the loop, in their order."""
    replies: list[tuple[Call, Reply]] = []

    async def main() -> None:
        for index, (head, body) in enumerate(zip(heads, bodies, strict=True)):
            operation, name, version = head.target
            call = Call(lambda call, reply: replies.append((call, reply)), shared, operation.find(name, version), head)
            call.body.append(body)
            call.begin()
            call.response_complete = index in gone
        async with asyncio.timeout(5):
            while len(replies) < len(heads) - len(gone):  # noqa: ASYNC110 - it takes turns of the loop
                await asyncio.sleep(0.001)

    asyncio.run(main())
    return [reply for _, reply in replies]


def broken(*_: object) -> NoReturn:
    raise ZeroDivisionError("a secret")


@pytest.mark.parametrize("step", ["decode", "encode"])
def test_a_bug_is_a_bare_500_and_the_others_are_answered(
    shared: Shared, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    heads = [plain(shared), plain(shared, len(BODY), **{step: broken}), plain(shared)]

    replies = run(shared, heads, [BODY] * 3)

    assert sorted(reply.status for reply in replies) == [200, 200, 500]
    assert next(reply.body for reply in replies if reply.status == 500) == b'{"detail":"Internal Server Error"}'
    assert "/predict failed" in caplog.text
    assert "a secret" in caplog.text


def test_a_call_whose_client_has_gone_is_not_run(shared: Shared) -> None:
    seen: list[bytes] = []

    def decode(body: bytes, _headers: Headers, _model: object) -> Job:
        seen.append(body)
        return Job(None)

    def encode(_outputs: Outputs, _job: Job) -> Reply:
        return Reply(b"")

    head = plain(shared, decode=decode, encode=encode)
    large = plain(shared, decode=decode, encode=encode, body_bytes=LARGE_BYTES + 1)

    run(shared, [head, large, head, large], [b"a", b"b", b"c", b"d"], gone={0, 1})

    assert seen == [b"c", b"d"]


def test_large_bodies_rest_while_small_ones_are_served(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[float] = []
    monkeypatch.setattr(express, "LARGE_REST", 1000.0)

    class Loop:
        def call_later(self, delay: float, run: Callable[[], None]) -> None:
            times.append(delay)
            run()

    monkeypatch.setattr(asyncio, "get_running_loop", Loop)
    for small in (0, 1):
        shared.large.small += small
        call = Call(lambda _call, _reply: None, shared, None, plain(shared, body_bytes=LARGE_BYTES + 1))
        call.response_complete = True
        call.begin()
        shared.large.spend(1.0)

    assert times[0] == 0
    assert 900 < times[1] < 1100


def test_heads_are_remembered_up_to_a_limit(shared: Shared) -> None:
    head = plain(shared)
    for number in range(MAX_KNOWN_HEADS):
        shared.remember(b"%d" % number, head)
    full = len(shared.known)
    shared.remember(b"one more", head)
    shared.remember(b"x" * (MAX_KNOWN_BYTES + 1), head)

    assert full == MAX_KNOWN_HEADS
    assert set(shared.known) == {b"one more"}
