"""The outermost part of the ASGI lane, around the whole application: rules for all requests alike."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Front:
    """ASGI middleware that answers HEAD as GET, without the body, and knows the prefix under which the service is."""

    def __init__(self, app: ASGIApp, *, root_path: str = "") -> None:
        self.app = app
        self.root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope = {**scope, "root_path": scope.get("root_path") or self.root_path}  # one that is mounted has another
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", "extensions": {}}  # no extension to send a body past `send`
            send = _without_body(send)
        await self.app(scope, receive, send)


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head


def complete_allow(allow: str) -> str:
    """Return the methods of a path, given those of its routes: HEAD comes with GET, and OPTIONS with any."""
    methods = {method.strip() for method in allow.split(",")}
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods | {"OPTIONS"}))
