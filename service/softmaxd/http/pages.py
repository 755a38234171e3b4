"""Pages for browsers, and their files."""

from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send


class Assets(StaticFiles):
    """Files that are always sent whole: Starlette would refuse a `Range` in a form of its own."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)
