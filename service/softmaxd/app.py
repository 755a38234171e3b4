"""The composition root: builds the objects and connects them. Imports every wing but `adding` and `cli`."""

import os
import platform
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from softmaxd import __version__
from softmaxd.access import SCOPES, Access, Key
from softmaxd.errors import InternalError, NotReady, ServiceError, Unroutable
from softmaxd.http.asgi import add_operations, to_response
from softmaxd.http.front import PROBES, Front, complete_allow
from softmaxd.http.guard import METRICS, OPEN, Guard
from softmaxd.http.keyfile import KeyFile
from softmaxd.http.lifecycle import UNANSWERED, InFlight, Lifecycle
from softmaxd.http.openapi import complete
from softmaxd.http.operation import Operation, Reply
from softmaxd.http.pages import assets, page
from softmaxd.http.scrapes import scraper
from softmaxd.http.targets import route_path
from softmaxd.http.tracing import start_tracing
from softmaxd.metrics.counts import Gauges
from softmaxd.metrics.evidence import check_folder
from softmaxd.metrics.exposition import VersionState
from softmaxd.metrics.metrics import Metrics
from softmaxd.models.answers import AnswerLimits
from softmaxd.models.documents import Documents
from softmaxd.models.repository import Repository
from softmaxd.models.session import RUNTIME_VERSION, providers
from softmaxd.models.versions import Version
from softmaxd.protocols.native import operations as native
from softmaxd.protocols.native import routes as native_routes
from softmaxd.protocols.passes import readers
from softmaxd.protocols.v1 import operations as v1
from softmaxd.protocols.v1 import routes as v1_routes
from softmaxd.protocols.v2 import changes
from softmaxd.protocols.v2 import operations as v2
from softmaxd.protocols.v2 import routes as v2_routes
from softmaxd.settings import Settings, read_settings

DESCRIPTION = """\
A small, strict inference service for softmax classifiers. Every body is JSON, and a body that does not match its
schema is refused. Numbers in answers have the shortest digits that round-trip.
`/v1` and `/v2` are protocols of other servers: unknown fields are ignored, and errors are `{"error": …}`, with a 400
for a wrong body.
Every answer has an `X-Request-ID`: that of the request, or a new one.
"""

TAGS = [
    {"name": "operations", "description": "Raw logits or features in, probabilities out."},
    {"name": "models", "description": "The served models: labels, features, metrics, provenance."},
    {"name": "health", "description": "Probes for supervisors and proxies."},
    {"name": "v1", "description": "The REST interface of TensorFlow Serving, and the V1 protocol of KServe."},
    {"name": "v2", "description": "The Open Inference Protocol, as Triton, KServe and MLServer speak it."},
]

TO_PLAYGROUND = '<p>See softmax, and try the models: <a href="./">the playground</a></p>'
METHOD_NOT_ALLOWED, NO_CONTENT = 405, 204
PREFIXED = (v2, v1)  # protocols with a prefix of their paths; all other paths are native


class App(FastAPI):
    """The ASGI application.

    `state` has the objects that a server needs beside it: `lifecycle`, `metrics`, the `operations` for an express lane,
    and `refuse` for requests that never reach the application.
    """

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            replies = [operation.docs.reply for operation in self.state.operations]
            bodies = {*replies, *native.ERRORS, *v1.ERRORS, *v2.ERRORS}
            self.openapi_schema = complete(super().openapi(), bodies, is_open=self.state.access.is_open)
        return self.openapi_schema

    def build_middleware_stack(self) -> ASGIApp:
        """Return the stack with `Front` around it, the answers to bugs included."""
        state = self.state
        return Front(super().build_middleware_stack(), state.settings, refuse, state.metrics, state.tracing)


def create_app(settings: Settings | None = None, shared_folder: Path | None = None) -> App:
    """Load the models and return the ASGI application; settings come from the environment unless given.

    Several workers of one service share counts and unloaded models in `shared_folder`. Raises `StartupError` when a
    setting or a required model is wrong.
    """
    settings = settings or read_settings(os.environ, {})
    check_folder(settings.drift_dir)
    metrics = Metrics(shared_folder, build_labels(), settings.drift_dir)
    models = Repository(settings, metrics.runs_of, shared_folder, metrics.shadow_of)
    lifecycle = Lifecycle()
    metrics.watch_queues(models.queued_rows)
    metrics.watch_gauges(lambda: Gauges(in_flight=lifecycle.in_flight))
    metrics.watch_versions(lambda: [_state_of(version, models) for version in models.states()])
    access, key_file = _access(settings, shared_folder)
    limits = AnswerLimits(numbers=settings.max_answer_numbers, size=settings.max_answer_bytes)
    operations = _operations(models, access, limits, settings)
    guard = [Depends(_guard(access, operations, settings))]
    app = App(
        title="softmaxd",
        version=__version__,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        servers=[{"url": "/"}],
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_watching(models, key_file),
        dependencies=[] if access.is_open else guard,
    )
    app.state.lifecycle, app.state.metrics, app.state.operations = lifecycle, metrics, operations
    app.state.settings, app.state.access, app.state.tracing = settings, access, start_tracing(__version__)
    app.state.readers = readers(operations, limits, max_rows=settings.max_rows)
    app.state.refuse = lambda path, error: refuse(route_path(path, settings.root_path), error)
    app.add_middleware(InFlight, lifecycle=lifecycle, metrics=metrics)
    _add_error_handlers(app)
    add_operations(app, operations, metrics, max_body_bytes=settings.max_body_bytes)
    app.include_router(native_routes.router(models, lifecycle, Documents(settings.models_dir, settings.scan_timeout)))
    app.include_router(v2_routes.router(models, lifecycle, metrics, max_rows=settings.max_rows))
    app.include_router(changes.router(models, lifecycle, settings), dependencies=guard)
    app.include_router(v1_routes.router(models, lifecycle))
    _add_pages(app, metrics)
    return app


def _operations(models: Repository, access: Access, limits: AnswerLimits, settings: Settings) -> list[Operation]:
    max_rows, max_body_bytes = settings.max_rows, settings.max_body_bytes
    shown = models.any() if access.is_open else None  # the examples are in a document that anybody may read
    return [
        *native.operations(models, limits, shown, max_rows=max_rows),
        *v2.operations(models, limits, access, shown, max_rows=max_rows, max_body_bytes=max_body_bytes),
        *v1.operations(models, limits, shown, max_rows=max_rows),
    ]


def build_labels() -> dict[str, str]:
    """Return the versions that the metrics tell."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        "onnxruntime": RUNTIME_VERSION,
        "providers": ",".join(providers()),
    }


def _state_of(version: Version, models: Repository) -> VersionState:
    """Return a version as the metrics tell it."""
    key, model = (version.name, version.version), version.model
    if model is None:
        return VersionState(key, version.state)
    current, share = models.is_current(version), models.share(version)
    return VersionState(key, version.state, model.provider, model.load_seconds, current, share)


def _access(settings: Settings, shared_folder: Path | None) -> tuple[Access, KeyFile | None]:
    """Return the keys of the service, and the file that some of them come from. Raises `StartupError`."""
    anything = Key(frozenset(SCOPES))
    given = dict.fromkeys(map(bytes.fromhex, settings.api_keys), Key())
    given |= dict.fromkeys(map(bytes.fromhex, settings.admin_keys), anything)
    path = settings.api_keys_file
    access = Access(given, is_open=not settings.needs_keys)
    return access, None if path is None else KeyFile(path, access, given, shared_folder)


def _guard(access: Access, operations: list[Operation], settings: Settings) -> Guard:
    scopes = {operation.path: operation.docs.scope for operation in operations}
    open_paths = OPEN | {METRICS} if settings.metrics_access == "open" else OPEN
    return Guard(access, scopes | dict.fromkeys(changes.PATHS, "admin"), open_paths)


def _watching(models: Repository, key_file: KeyFile | None) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return a lifespan that looks for new versions of the models, and for new keys, and sends the last traces."""

    @asynccontextmanager
    async def watching(app: FastAPI) -> AsyncIterator[None]:
        models.watch()
        async with nullcontext() if key_file is None else key_file.followed():
            yield
        models.close()
        if app.state.tracing is not None:
            app.state.tracing.close()

    return watching


def refuse(path: str, error: ServiceError) -> Reply:
    """Return an error in the form of the protocol to which a path, below the prefix of the service, belongs."""
    found = (protocol for protocol in PREFIXED if f"{path}/".startswith(f"{protocol.PREFIX}/"))
    protocol = next(found, native)
    reply: Reply = protocol.refuse(error)
    return reply


def _path_of(request: Request) -> str:
    """Return the path as it is routed; `request.url` would not take every query."""
    path: str = request.scope["path"]
    root_path: str = request.scope.get("root_path", "")
    return route_path(path, root_path)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    request.state.reason = error.reason
    path = _path_of(request)
    if path not in PROBES or not isinstance(error, NotReady):  # by which a probe answers a question
        request.app.state.metrics.count_rejection(error.reason)
    return to_response(refuse(path, error))


async def _refuse_unroutable(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == METHOD_NOT_ALLOWED:
        headers["Allow"] = complete_allow(headers["Allow"])
        if request.method == "OPTIONS":
            return Response(status_code=NO_CONTENT, headers=headers)
    return await _refuse(request, Unroutable(error.status_code, error.detail, headers))


async def _fail(request: Request, _error: Exception) -> Response:
    request.state.reason = InternalError.reason
    return to_response(refuse(_path_of(request), InternalError()))  # the traceback goes to the log


async def _forget(_request: Request, _error: Exception) -> Response:
    return Response(status_code=UNANSWERED)  # the client left: nobody reads this


def _add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(ServiceError, _refuse)
    app.add_exception_handler(HTTPException, _refuse_unroutable)
    app.add_exception_handler(Exception, _fail)
    app.add_exception_handler(ClientDisconnect, _forget)


def _add_pages(app: FastAPI, metrics: Metrics) -> None:
    """Add the metrics, the playground's files, and the documentation, whose Swagger UI is an installed package."""

    app.add_api_route(METRICS, scraper(metrics), include_in_schema=False)
    app.mount("/playground", assets("softmaxd", "playground"))
    app.mount("/docs/assets", assets("fastapi_swagger", "resources"))
    app.add_api_route("/docs", _docs, include_in_schema=False)


async def _docs() -> HTMLResponse:
    """Return the page of Swagger UI, with relative links: a proxy may serve it under a prefix."""
    swagger = get_swagger_ui_html(
        openapi_url="openapi.json",
        title="softmaxd",
        swagger_js_url="docs/assets/swagger-ui-bundle.js",
        swagger_css_url="docs/assets/swagger-ui.css",
        swagger_favicon_url="docs/assets/favicon-32x32.png",
    )
    return page(bytes(swagger.body).decode().replace("<body>", f"<body>{TO_PLAYGROUND}"))
