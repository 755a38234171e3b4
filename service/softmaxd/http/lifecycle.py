"""Whether the process takes requests: how many are in flight, and whether it is on its way out."""

import asyncio
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from softmaxd.errors import NotReady
from softmaxd.metrics.metrics import Metrics

UNMATCHED = "unmatched"  # the operation of a request whose path is none of ours
UNANSWERED = 499  # the status that nginx logs for a client that left; none is sent


class Lifecycle:
    """One process's state between start and exit; the models are loaded before it exists."""

    def __init__(self) -> None:
        self.draining = False
        self.in_flight = 0

    def admit(self) -> None:
        """Refuse a new operation while draining."""
        if self.draining:
            raise NotReady("The service is shutting down; retry elsewhere or later")


class InFlight:
    """ASGI middleware that knows the requests in flight, so that a shutdown can wait for them, and counts them."""

    def __init__(self, app: ASGIApp, lifecycle: Lifecycle, metrics: Metrics) -> None:
        self.app = app
        self.lifecycle = lifecycle
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        status = UNANSWERED

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.lifecycle.in_flight += 1
        try:
            await self.app(scope, receive, watch)
        except asyncio.CancelledError:
            if not self.lifecycle.draining:
                raise
            # given up at the end of the drain: its connection is closed, and uvicorn would log a traceback
        finally:
            self.lifecycle.in_flight -= 1
            if status != UNANSWERED:
                route = scope.get("route")
                operation = route.path if route else UNMATCHED
                self.metrics.count_request(operation, status, "asgi", time.perf_counter() - start)
