import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from softmaxd.errors import NotReady
from softmaxd.http.lifecycle import InFlight, Lifecycle
from softmaxd.metrics.metrics import Metrics

HTTP = {"type": "http"}


async def nothing() -> dict[str, object]:
    return {}


async def nowhere(_message: object) -> None:
    pass


def call(app: object, scope: Scope, lifecycle: Lifecycle) -> None:
    asyncio.run(InFlight(app, lifecycle, Metrics())(scope, nothing, nowhere))  # type: ignore[arg-type]


def test_a_request_is_in_flight_until_it_is_answered() -> None:
    lifecycle = Lifecycle()
    seen = []

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(lifecycle.in_flight)

    call(app, HTTP, lifecycle)
    call(app, {"type": "lifespan"}, lifecycle)

    assert (seen, lifecycle.in_flight) == ([1, 0], 0)


@pytest.mark.parametrize("leaving", [False, True])
def test_a_request_that_is_given_up_in_a_shutdown_is_no_error(leaving: bool) -> None:
    lifecycle = Lifecycle()
    lifecycle.leaving = leaving

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise asyncio.CancelledError

    if leaving:
        call(app, HTTP, lifecycle)
    else:
        with pytest.raises(asyncio.CancelledError):
            call(app, HTTP, lifecycle)
    assert lifecycle.in_flight == 0


def test_while_it_is_leaving_it_is_not_ready() -> None:
    lifecycle = Lifecycle()
    lifecycle.check_staying()
    lifecycle.leaving = True

    with pytest.raises(NotReady):
        lifecycle.check_staying()


@pytest.mark.parametrize(("started", "status", "rejections"), [(False, "500", 1), (True, "200", 0)])
def test_a_bug_is_counted_with_the_status_that_the_client_gets(started: bool, status: str, rejections: int) -> None:
    metrics = Metrics()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        if started:
            await send({"type": "http.response.start", "status": 200})
        raise ZeroDivisionError("a secret")

    with pytest.raises(ZeroDivisionError):
        asyncio.run(InFlight(app, Lifecycle(), metrics)(dict(HTTP), nothing, nowhere))

    text = metrics.render().decode()
    assert (
        f'softmaxd_requests_total{{operation="unmatched",status="{status}",lane="asgi",model="",version=""}} 1' in text
    )
    assert text.count('softmaxd_rejections_total{reason="internal_error",model="",version=""} 1') == rejections
