"""The composition root: builds the objects and hands them on. Knows every module below the server."""

import os

from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles

from service import __version__
from service.errors import ServiceError
from service.lifecycle import InFlight, Lifecycle
from service.protocols import native
from service.repository import load_models
from service.settings import Settings, read_settings

DESCRIPTION = """\
A small, strict inference service for softmax classifiers. Every body is JSON and is refused with a
422 when it is not exactly what its schema says; numbers in answers are the shortest digits that round-trip.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Load the models and return the ASGI application; settings come from the environment unless given.

    Raises `StartupError` when a setting or a model is not as it should be.
    """
    settings = settings or read_settings(os.environ, {})
    models = load_models(settings)
    lifecycle = Lifecycle()
    app = FastAPI(
        title="softmaxd",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.lifecycle = lifecycle
    app.add_middleware(InFlight, lifecycle=lifecycle)
    app.add_exception_handler(ServiceError, _refuse)
    app.add_exception_handler(Exception, _fail)
    app.add_exception_handler(ClientDisconnect, _forget)
    app.include_router(native.router(models, lifecycle, settings))
    # Swagger UI from an installed package: the page works without the internet
    app.mount("/docs/assets", StaticFiles(packages=[("fastapi_swagger", "resources")]))
    app.add_api_route("/docs", _docs, include_in_schema=False)
    return app


async def _refuse(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return native.error_response(error)


async def _fail(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"detail": "Internal Server Error"}, 500)  # the traceback goes to the log


async def _forget(_request: Request, _error: Exception) -> Response:
    return Response()  # the client left while it sent its body: nobody reads this


async def _docs() -> HTMLResponse:
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="softmaxd",
        swagger_js_url="/docs/assets/swagger-ui-bundle.js",
        swagger_css_url="/docs/assets/swagger-ui.css",
        swagger_favicon_url="/docs/assets/favicon-32x32.png",
    )
