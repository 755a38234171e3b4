"""The composition root: builds the objects and hands them on. Knows every module below the server."""

import os
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles

from service import __version__
from service.asgi import endpoint, to_response
from service.errors import InternalError, ServiceError
from service.lifecycle import UNANSWERED, InFlight, Lifecycle
from service.metrics import MEDIA_TYPE, Metrics
from service.protocols import native
from service.repository import load_models
from service.settings import Settings, read_settings

DESCRIPTION = """\
A small, strict inference service for softmax classifiers. Every body is JSON and is refused with a
422 when it is not exactly what its schema says; numbers in answers are the shortest digits that round-trip.
"""


def create_app(settings: Settings | None = None, metrics: Metrics | None = None) -> FastAPI:
    """Load the models and return the ASGI application; settings come from the environment unless given.

    `app.state` has what a server needs beside it: `lifecycle`, `metrics` and the `operations` for an express lane.
    Raises `StartupError` when a setting or a model is not as it should be.
    """
    settings = settings or read_settings(os.environ, {})
    metrics = metrics or Metrics()
    models = load_models(settings, metrics)
    metrics.watch_models(models.all)
    lifecycle = Lifecycle()
    app = FastAPI(
        title="softmaxd",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    operations = native.operations(models, max_rows=settings.max_rows)
    app.state.lifecycle, app.state.metrics, app.state.operations = lifecycle, metrics, operations
    app.add_middleware(InFlight, lifecycle=lifecycle, metrics=metrics)
    app.add_exception_handler(ServiceError, _refuse)
    app.add_exception_handler(Exception, _fail)
    app.add_exception_handler(ClientDisconnect, _forget)
    endpoints = {
        operation.path: endpoint(operation, lifecycle, metrics, max_body_bytes=settings.max_body_bytes)
        for operation in operations
    }
    app.include_router(native.router(models, endpoints, lifecycle))
    app.add_api_route("/metrics", _metrics_endpoint(metrics), include_in_schema=False)
    # Swagger UI from an installed package: the page works without the internet
    app.mount("/docs/assets", StaticFiles(packages=[("fastapi_swagger", "resources")]))
    app.add_api_route("/docs", _docs, include_in_schema=False)
    return app


async def _refuse(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return to_response(native.refuse(error))


async def _fail(_request: Request, _error: Exception) -> Response:
    return to_response(native.refuse(InternalError()))  # the traceback goes to the log


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
