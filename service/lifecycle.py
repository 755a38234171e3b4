"""Whether the process takes requests: how many are in flight, and whether it is on its way out."""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import NotReady


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
    """ASGI middleware that counts the requests in flight, so that a shutdown can wait for them."""

    def __init__(self, app: ASGIApp, lifecycle: Lifecycle) -> None:
        self.app = app
        self.lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        self.lifecycle.in_flight += 1
        try:
            await self.app(scope, receive, send)
        except asyncio.CancelledError:
            if not self.lifecycle.draining:
                raise
            # given up at the end of the drain: its connection is closed, and uvicorn would log a traceback
        finally:
            self.lifecycle.in_flight -= 1
