"""The outermost part of the ASGI lane, around the whole application: rules for all requests alike."""

import time
from collections.abc import Callable, Collection
from typing import Any

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from softmaxd.errors import Misdirected, ServiceError
from softmaxd.http.access_log import AccessLog, facts
from softmaxd.http.asgi import to_response
from softmaxd.http.hosts import Hosts
from softmaxd.http.ids import Ids, describe, ids_of
from softmaxd.http.lifecycle import UNANSWERED
from softmaxd.http.operation import Headers, Reply
from softmaxd.http.origins import Cors, check_origin
from softmaxd.http.stages import STATE
from softmaxd.http.targets import route_path
from softmaxd.http.tracing import Trace, Tracing
from softmaxd.logs import of_request
from softmaxd.metrics.metrics import Metrics
from softmaxd.settings import Settings

PROBES = {"/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"}  # supervisors ask by IP address
NOSNIFF = (b"x-content-type-options", b"nosniff")

Refuse = Callable[[str, ServiceError], Reply]  # for a path below the prefix, in the form of its protocol


class Answer:
    """The answer to one request; `send` adds the ids before its header fields, and `last` after them."""

    def __init__(self, send: Send, ids: Ids, last: Headers) -> None:
        self.ids = ids
        self.start = time.perf_counter()
        self.status = UNANSWERED
        self._send = send
        self._last = last

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*self.ids, *message.get("headers", ()), *self._last]}
        await self._send(message)


class Front:
    """ASGI middleware: the prefix under which the service is, HEAD, and the rules for browsers."""

    def __init__(
        self, app: ASGIApp, settings: Settings, refuse: Refuse, metrics: Metrics, tracing: Tracing | None = None
    ) -> None:
        self.origins: Collection[str] = settings.cors_origins
        self.app = Cors(app, self.origins) if self.origins else app
        self.hosts = Hosts(settings.allowed_hosts)
        self.root_path = settings.root_path
        self.refuse = refuse
        self.metrics = metrics
        self.access_log = AccessLog(settings)
        self.tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given: dict[str, Any] = scope.get("state", {})
        root_path = scope.get("root_path") or self.root_path  # one that is mounted has another
        path, ids = route_path(scope["path"], root_path), given.get("ids") or ids_of(scope["headers"])
        trace = self.tracing.begin(scope["headers"], ids) if self.tracing and path not in PROBES else None
        ids = trace.ids if trace else ids
        # a server may give the same state to every request
        inner = {**scope, "root_path": root_path, "state": {**given, "ids": ids, STATE: trace and trace.stages}}
        of_request.set(describe(ids))  # until the end of its task, for the lines of the server, too
        answer = Answer(send, ids, [NOSNIFF] if scope["method"] in {"GET", "HEAD"} else [])
        try:
            await self._answer(inner, path, receive, answer.send)
        finally:
            if "refused" not in given:  # by the connection, which has logged it
                self._record(answer, scope["method"], path, inner, trace)

    def _record(self, answer: "Answer", method: str, path: str, scope: Scope, trace: Trace | None) -> None:
        """Write the log line of a request if it gets one, and end its trace if it has one."""
        seconds, state = time.perf_counter() - answer.start, scope["state"]
        asked, reason = state.get("facts") or facts(state.get("model"), None), state.get("reason", "")
        if self.access_log.wants(answer.status, seconds):
            client = scope.get("client") and scope["client"][0]
            self.access_log.write(
                *(answer.ids, method, path, answer.status),
                **{"seconds": seconds, **asked, "reason": reason, "lane": "asgi", "client": client},
            )
        if trace:
            route = scope.get("route")
            trace.end(method, getattr(route, "path", ""), answer.status, reason, asked)

    async def _answer(self, scope: Scope, path: str, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            scope.update(method="GET", extensions={})  # no extension to send a body past `send`
            send = _without_body(send)
        try:
            self._check(scope, path)
            is_bare = path == "" and scope["method"] == "GET"  # a page would look for its files beside the prefix
            app = RedirectResponse(scope["root_path"] + "/") if is_bare else self.app
            await app(scope, receive, send)
        except ServiceError as error:  # of the check, or of a preflight: the application answers its own
            scope["state"]["reason"] = error.reason
            self.metrics.count_rejection(error.reason)
            await to_response(self.refuse(path, error))(scope, receive, send)

    def _check(self, scope: Scope, path: str) -> None:
        """Raise `Misdirected` for another host, and `Forbidden` for the post of a page of another origin."""
        if not self.hosts.allow(scope["headers"], any_address=path in PROBES):
            raise Misdirected("The service is not for this Host; the setting allowed_hosts names its hosts")
        if scope["method"] == "POST":
            check_origin(scope["headers"], self.origins)


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
