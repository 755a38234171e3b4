"""The routes of `/v2` that load and unload models; `http/guard` asks for a key with the scope `admin`."""

import asyncio
from collections.abc import Callable, Iterable

from fastapi import APIRouter, Request

from softmaxd.errors import ModelError, ModelNotLoaded, ServiceError
from softmaxd.http.asgi import read_body
from softmaxd.http.lifecycle import Lifecycle
from softmaxd.http.openapi import Docs, route_arguments
from softmaxd.models.datatypes import invalid
from softmaxd.models.repository import Repository
from softmaxd.protocols.protocol import ADMIN_ERRORS, LOAD_ERRORS
from softmaxd.protocols.v2.operations import check_headers, errors_of_path, read_optional
from softmaxd.protocols.v2.schemas import LOAD_REQUEST, V2Done, V2LoadRequest
from softmaxd.settings import Settings

LOAD = "/v2/repository/models/{name}/load"
UNLOAD = "/v2/repository/models/{name}/unload"
PATHS = (LOAD, UNLOAD)


def router(models: Repository, lifecycle: Lifecycle, settings: Settings) -> APIRouter:
    """Return the routes."""

    async def change(request: Request, how: Callable[[str], None]) -> V2Done:
        headers = request.headers.raw
        lifecycle.check_staying()
        check_headers(headers)
        body = await read_body(request, settings.max_body_bytes)
        refuse_upload(read_optional(LOAD_REQUEST, body, headers, max_bytes=settings.max_body_bytes))
        try:
            await asyncio.to_thread(how, request.path_params["name"])  # a trial takes seconds
        except ModelError as error:
            raise ModelNotLoaded(str(error)) from error
        return V2Done()

    async def load(request: Request) -> V2Done:
        return await change(request, models.load)

    async def unload(request: Request) -> V2Done:
        return await change(request, models.unload)

    api = APIRouter()
    api.add_api_route(
        LOAD, load, **route_arguments(LOAD, _docs("v2_load", "Serve an unloaded or rejected model", LOAD_ERRORS))
    )
    api.add_api_route(
        UNLOAD, unload, **route_arguments(UNLOAD, _docs("v2_unload", "Stop serving a model", ADMIN_ERRORS))
    )
    return api


def _docs(operation_id: str, summary: str, errors: Iterable[type[ServiceError]]) -> Docs:
    return Docs(
        operation_id=operation_id,
        tag="v2",
        summary=summary,
        description="Needs a key with the scope `admin`.",
        request=LOAD_REQUEST,
        reply=V2Done,
        errors=errors_of_path(*errors),
        needs_body=False,
        scope="admin",
    )


def refuse_upload(request: V2LoadRequest) -> None:
    """Refuse a configuration and files: models come from the models folder only."""
    for name, value in (request.get("parameters") or {}).items():
        if value is not None and (name == "config" or name.startswith("file:")):
            message = "Input should have no config and no file: models come from the models folder"
            raise invalid("extra_forbidden", ["parameters"], message)
