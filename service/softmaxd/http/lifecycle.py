"""The state of one process: the number of requests in flight, and whether it drains."""

import asyncio
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from softmaxd.errors import InternalError, NotReady
from softmaxd.metrics.metrics import Metrics
from softmaxd.models.model import Model

UNMATCHED = "unmatched"  # counted as the operation of a request to an unknown path
UNANSWERED = 499  # the status of a request whose client left, as nginx logs it; it is never sent


class Lifecycle:
    """The state of one process between its start, with all models loaded, and its exit.

    While it is `leaving`, it is not ready, but still answers; each response is the last one of its connection.
    """

    def __init__(self) -> None:
        self.leaving = False
        self.in_flight = 0

    def check_staying(self) -> None:
        """Raise `NotReady` while the process is leaving."""
        if self.leaving:
            raise NotReady("The service is shutting down; retry elsewhere or later")


def model_of(scope: Scope) -> Model | None:
    """Return the version of a model that a request of the ASGI lane asks, or None if it asks none."""
    model: Model | None = scope.get("state", {}).get("model")
    return model


class InFlight:
    """ASGI middleware that counts requests, and those in flight, for which a shutdown waits."""

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
            if not self.lifecycle.leaving:
                raise
            # the drain gave it up: its connection is closed, and uvicorn would log a traceback
        except Exception:  # a bug of ours, which Starlette answers after this
            if status == UNANSWERED:
                status = InternalError.status
                self.metrics.count_rejection(InternalError.reason)
            raise
        finally:
            self.lifecycle.in_flight -= 1
            if status != UNANSWERED:
                route = scope.get("route")
                operation = route.path if route else UNMATCHED
                seconds = time.perf_counter() - start
                self.metrics.count_request(operation, status, "asgi", seconds, model_of(scope))
