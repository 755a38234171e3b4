"""The routes of the native interface beside its operations: models and health."""

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from softmaxd import __version__
from softmaxd.errors import ModelNotFound, NotReady, Overloaded
from softmaxd.http.asgi import Endpoint, share_of
from softmaxd.http.guard import rights_of
from softmaxd.http.lifecycle import Lifecycle
from softmaxd.http.openapi import path_parameters
from softmaxd.http.pages import playground, wants_html
from softmaxd.models.calibration import Calibration
from softmaxd.models.documents import DocumentNotFound, Documents
from softmaxd.models.manifest import MANIFEST_FILE
from softmaxd.models.repository import Repository
from softmaxd.models.row_schema import type_of
from softmaxd.models.versions import Version
from softmaxd.protocols.native.operations import errors_of_path
from softmaxd.protocols.native.schemas import About, CalibrationInfo, Feature, ModelInfo, ModelList, Status
from softmaxd.protocols.native.typed import document_of
from softmaxd.protocols.protocol import KEY_ERRORS

CARD_FILE = "card.md"
DOCUMENT_ERRORS = (ModelNotFound, Overloaded, NotReady)
PICTURES = {"png": "image/png", "svg": "image/svg+xml"}
# An SVG may have a script, which would be one of this origin: a browser runs none of a document with this policy.
NO_SCRIPTS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}


def router(models: Repository, lifecycle: Lifecycle, documents: Documents) -> APIRouter:
    """Return the routes."""
    api = APIRouter(responses=errors_of_path(*KEY_ERRORS))
    _add_models(api, models)
    _add_openapi(api, models)
    _add_documents(api, models, documents)
    whole = APIRouter()
    whole.include_router(api)
    _add_health(whole, models, lifecycle)
    return whole


def _info(version: Version, models: Repository) -> ModelInfo:
    info = ModelInfo(
        name=version.name,
        version=str(version.version),
        default=False,
        pinned=models.is_pinned(version),
        state=version.state,
        reason=version.reason,
        share=models.share(version),
        shadow=models.is_shadow(version),
    )
    if version.model is None:
        return info
    manifest = version.model.manifest
    return info.model_copy(
        update={
            "default": version.model is models.default,
            "provider": version.model.provider,
            "classes": list(manifest.labels),
            "features": [
                Feature(type=type_of(each, manifest.datatype), **each.model_dump()) for each in manifest.features
            ],
            "datatype": manifest.datatype,
            "metrics": dict(manifest.metrics),
            "sha256": manifest.sha256,
            "provenance": manifest.provenance,
            "calibration": _calibration_info(manifest.calibration),
            "evaluation": manifest.evaluation,
            "notes": list(manifest.notes),
            "missing_words": list(manifest.missing_words),
        }
    )


def _calibration_info(calibration: Calibration | None) -> CalibrationInfo | None:
    if calibration is None:
        return None
    by_label = calibration.by_label
    return CalibrationInfo(
        rows=calibration.rows,
        temperature=calibration.temperature,
        most_coverage=calibration.most_coverage,
        rows_by_label=None if by_label is None else [label.rows for label in by_label],
    )


def _add_models(api: APIRouter, models: Repository) -> None:
    @api.get("/models", tags=["models"], operation_id="list_models", summary="Every version of every model")
    async def list_models(request: Request) -> ModelList:
        """Versions that are not served are listed with the reason; a key sees the models that it is for."""
        rights = rights_of(request)
        seen = [_info(each, models) for each in models.states() if rights.may_use(each.name)]
        return ModelList(models=seen, problems=models.problems if rights.models is None else [])

    async def describe(request: Request) -> ModelInfo:
        served = models.find(**request.path_params)
        return next(_info(each, models) for each in models.states() if each.model is served)

    for path, operation_id, summary in (
        ("/models/{name}", "get_model", "The version of a model that answers by default"),
        ("/models/{name}/versions/{version}", "get_version", "One version of a model"),
    ):
        api.add_api_route(
            path,
            describe,
            tags=["models"],
            operation_id=operation_id,
            summary=summary,
            responses=errors_of_path(ModelNotFound),
            openapi_extra=path_parameters(path),
        )


def _add_openapi(api: APIRouter, models: Repository) -> None:
    """Add the OpenAPI documents of models. They come before the pictures, whose path would match theirs."""

    async def describe(request: Request) -> Response:
        """For generators of clients: a row is an object with a type for each feature, and labels are an enum."""
        model = models.find(**request.path_params)
        paths = [request.scope["route"].path.replace("openapi.json", "predict")]
        if model is models.default and "version" not in request.path_params:
            paths.append("/predict")
        document = document_of(request.app.openapi(), model.manifest, paths, request.scope["root_path"])
        content = orjson.dumps(document)
        share = share_of(request)
        if share is not None:
            share.take(len(content))
        return Response(content, media_type="application/json")

    for path, operation_id, summary in (
        ("/models/{name}/openapi.json", "get_model_openapi", "The OpenAPI document of a model, with typed rows"),
        ("/models/{name}/versions/{version}/openapi.json", "get_version_openapi", "The same of one version"),
    ):
        api.add_api_route(
            path,
            describe,
            tags=["models"],
            operation_id=operation_id,
            summary=summary,
            response_class=Response,
            responses={200: {"content": {"application/json": {"schema": {}}}}, **errors_of_path(*DOCUMENT_ERRORS)},
            openapi_extra=path_parameters(path),
        )


def _add_documents(api: APIRouter, models: Repository, documents: Documents) -> None:
    """Add the files of a version. The card links to its pictures by their names alone, so they are beside it."""

    async def answer(request: Request, name: str, media_type: str) -> Response:
        path = request.path_params
        content = await documents.read(models.find(path["name"], path["version"]), name)
        share = share_of(request)
        if share is not None:
            share.take(len(content))
        return Response(content, media_type=media_type, headers=NO_SCRIPTS)

    async def card(request: Request) -> Response:
        """Its links to its pictures are relative to this path."""
        return await answer(request, CARD_FILE, "text/markdown")

    async def manifest(request: Request) -> Response:
        """The bytes of the file, with all calibration scores."""
        return await answer(request, MANIFEST_FILE, "application/json")

    async def picture(request: Request) -> Response:
        kind = request.path_params["kind"]
        if kind not in PICTURES:
            raise DocumentNotFound("The pictures of a card are PNG or SVG")
        return await answer(request, f"{request.path_params['picture']}.{kind}", PICTURES[kind])

    _add_document(api, "card", card, "The card of a version", {"text/markdown": {"schema": {"type": "string"}}})
    _add_document(api, "manifest", manifest, "The manifest of a version", {"application/json": {"schema": {}}})
    _add_document(api, "picture", picture, "A picture of the card, in PNG or SVG", {}, path="{picture}.{kind}")


def _add_document(
    api: APIRouter, name: str, endpoint: Endpoint, summary: str, content: dict[str, Any], path: str | None = None
) -> None:
    """Add a route. Generators of clients warn of a `content` that they do not know, such as pictures."""
    route = f"/models/{{name}}/versions/{{version}}/{path or name}"
    errors = errors_of_path(ModelNotFound, DocumentNotFound, Overloaded, NotReady)
    api.add_api_route(
        route,
        endpoint,
        tags=["models"],
        operation_id=f"get_{name}",
        summary=summary,
        response_class=Response,
        responses={200: {"content": content}, **errors},
        openapi_extra=path_parameters(route),
    )


def _add_health(api: APIRouter, models: Repository, lifecycle: Lifecycle) -> None:
    @api.get("/livez", tags=["health"], operation_id="livez", summary="The process answers")
    async def livez() -> Status:
        return Status(status="alive")

    @api.get(
        "/readyz",
        tags=["health"],
        operation_id="readyz",
        summary="Models are loaded and warm",
        responses=errors_of_path(NotReady),
    )
    async def readyz() -> Status:
        """Not ready without a model, without a required model, and while the service is shutting down."""
        lifecycle.check_staying()
        models.check_ready()
        return Status(status="ready")

    @api.get(
        "/",
        tags=["health"],
        operation_id="about",
        summary="Name and version of the service",
        response_model=About,
        responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
    )
    async def about(request: Request, response: Response) -> About | Response:
        """A browser gets the playground: the page that shows softmax and the models."""
        response.headers["Vary"] = "Accept"
        if wants_html(request.headers.get("accept", "")):
            return playground()
        docs = request.scope["root_path"] + "/docs"
        return About(status="alive", name="softmaxd", version=__version__, docs=docs)
