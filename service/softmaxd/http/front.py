"""The outermost part of the ASGI lane, around the whole application: rules for all requests alike."""

from collections.abc import Callable, Collection
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from softmaxd.errors import Misdirected, ServiceError
from softmaxd.http.asgi import to_response
from softmaxd.http.hosts import Hosts
from softmaxd.http.ids import ids_of
from softmaxd.http.operation import Headers, Reply
from softmaxd.http.origins import Cors, check_origin
from softmaxd.http.targets import route_path
from softmaxd.metrics.metrics import Metrics
from softmaxd.settings import Settings

PROBES = {"/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"}  # supervisors ask by IP address
NOSNIFF = (b"x-content-type-options", b"nosniff")

Refuse = Callable[[str, ServiceError], Reply]  # for a path below the prefix, in the form of its protocol


class Front:
    """ASGI middleware: the prefix under which the service is, HEAD, and the rules for browsers."""

    def __init__(self, app: ASGIApp, settings: Settings, refuse: Refuse, metrics: Metrics) -> None:
        self.origins: Collection[str] = settings.cors_origins
        self.app = Cors(app, self.origins) if self.origins else app
        self.hosts = Hosts(settings.allowed_hosts)
        self.root_path = settings.root_path
        self.refuse = refuse
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        root_path = scope.get("root_path") or self.root_path  # one that is mounted has another
        path = route_path(scope["path"], root_path)
        state: dict[str, Any] = scope.get("state", {})
        ids = state.get("ids") or ids_of(scope["headers"])
        scope = {**scope, "root_path": root_path, "state": {**state, "ids": ids}}
        method = scope["method"]
        send = _with_fields(send, ids, [NOSNIFF] if method in {"GET", "HEAD"} else [])
        if method == "HEAD":
            scope = {**scope, "method": "GET", "extensions": {}}  # no extension to send a body past `send`
            send = _without_body(send)
        try:
            self._check(scope, path)
            await self.app(scope, receive, send)
        except ServiceError as error:  # of the check, or of a preflight: the application answers its own
            self.metrics.count_rejection(error.reason)
            await to_response(self.refuse(path, error))(scope, receive, send)

    def _check(self, scope: Scope, path: str) -> None:
        """Raise `Misdirected` for another host, and `Forbidden` for the post of a page of another origin."""
        if not self.hosts.allow(scope["headers"], any_address=path in PROBES):
            raise Misdirected("The service is not for this Host; the setting allowed_hosts names its hosts")
        if scope["method"] == "POST":
            check_origin(scope["headers"], self.origins)


def _with_fields(send: Send, first: Headers, last: Headers) -> Send:
    async def send_with_fields(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*first, *message.get("headers", ()), *last]}
        await send(message)

    return send_with_fields


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
