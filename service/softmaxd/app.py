"""The composition root: builds the objects and hands them on. Knows every module below the server."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles

from softmaxd import __version__
from softmaxd.errors import InternalError, ServiceError, Unroutable
from softmaxd.http.asgi import endpoint, to_response
from softmaxd.http.lifecycle import UNANSWERED, InFlight, Lifecycle
from softmaxd.http.operation import Reply
from softmaxd.metrics.exposition import MEDIA_TYPE
from softmaxd.metrics.metrics import Metrics
from softmaxd.models.repository import Repository
from softmaxd.protocols.native import routes as native
from softmaxd.protocols.v1 import routes as v1
from softmaxd.protocols.v2 import routes as v2
from softmaxd.settings import Settings, read_settings

DESCRIPTION = """\
A small, strict inference service for softmax classifiers. Every body is JSON and is refused when it is
not what its schema says; numbers in answers are the shortest digits that round-trip.
`/v1` and `/v2` are protocols of other servers: fields that they do not know are ignored, and errors are
`{"error": …}`, with a 400 for a wrong body.
"""

PREFIXED = (v2, v1)  # the protocols whose paths have a prefix; all others are native


def create_app(settings: Settings | None = None, shared_folder: Path | None = None) -> FastAPI:
    """Load the models and return the ASGI application; settings come from the environment unless given.

    `shared_folder` is where several workers of one service tell each other what they count and unload.
    `app.state` has what a server needs beside it: `lifecycle`, `metrics`, the `operations` for an express lane, and
    `refuse` for what never reaches the application.
    Raises `StartupError` when a setting or a model is not as it should be.
    """
    settings = settings or read_settings(os.environ, {})
    metrics = Metrics(shared_folder)
    models = Repository(settings, metrics.runs_of, shared_folder)
    metrics.watch_queues(models.queued_rows)
    metrics.watch_versions(
        lambda: [
            (each.name, str(each.version), each.state, each.model.provider if each.model else "")
            for each in models.states()
        ]
    )
    lifecycle = Lifecycle()
    app = FastAPI(
        title="softmaxd",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_watching(models),
    )
    operations = [
        *native.operations(models, max_rows=settings.max_rows),
        *v2.operations(models, max_rows=settings.max_rows, max_body_bytes=settings.max_body_bytes),
        *v1.operations(models, max_rows=settings.max_rows),
    ]
    app.state.refuse = refuse
    app.state.lifecycle, app.state.metrics, app.state.operations = lifecycle, metrics, operations
    app.add_middleware(InFlight, lifecycle=lifecycle, metrics=metrics)
    app.add_exception_handler(ServiceError, _refuse)
    app.add_exception_handler(HTTPException, _refuse_unroutable)
    app.add_exception_handler(Exception, _fail)
    app.add_exception_handler(ClientDisconnect, _forget)
    endpoints = {
        operation.path: endpoint(operation, lifecycle, metrics, max_body_bytes=settings.max_body_bytes)
        for operation in operations
    }
    app.include_router(native.router(models, endpoints, lifecycle))
    app.include_router(v2.router(models, endpoints, lifecycle, metrics.by_version, settings))
    app.include_router(v1.router(models, endpoints, lifecycle))
    app.add_api_route("/metrics", _metrics_endpoint(metrics), include_in_schema=False)
    # Swagger UI from an installed package: the page works without the internet
    app.mount("/docs/assets", StaticFiles(packages=[("fastapi_swagger", "resources")]))
    app.add_api_route("/docs", _docs, include_in_schema=False)
    return app


def _watching(models: Repository) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return a lifespan in which new versions of the models are looked for."""

    @asynccontextmanager
    async def watching(_app: FastAPI) -> AsyncIterator[None]:
        models.watch()
        yield
        models.close()

    return watching


def refuse(path: str, error: ServiceError) -> Reply:
    """Return an error in the form of the protocol to which a path belongs."""
    found = (protocol for protocol in PREFIXED if f"{path}/".startswith(f"{protocol.PREFIX}/"))
    protocol = next(found, native)
    reply: Reply = protocol.refuse(error)
    return reply


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return to_response(refuse(request.url.path, error))


async def _refuse_unroutable(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return to_response(refuse(request.url.path, Unroutable(error.status_code, error.detail, error.headers or {})))


async def _fail(request: Request, _error: Exception) -> Response:
    return to_response(refuse(request.url.path, InternalError()))  # the traceback goes to the log


async def _forget(_request: Request, _error: Exception) -> Response:
    return Response(status_code=UNANSWERED)  # the client left: nobody reads this


def _metrics_endpoint(metrics: Metrics) -> Callable[[], Awaitable[Response]]:
    async def scrape() -> Response:
        return Response(metrics.render(), media_type=MEDIA_TYPE)

    return scrape


async def _docs() -> HTMLResponse:
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="softmaxd",
        swagger_js_url="/docs/assets/swagger-ui-bundle.js",
        swagger_css_url="/docs/assets/swagger-ui.css",
        swagger_favicon_url="/docs/assets/favicon-32x32.png",
    )
