"""The routes of `/v2` that describe the server and its models."""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request

from softmaxd import __version__
from softmaxd.errors import ModelNotFound, NotReady
from softmaxd.http.guard import rights_of
from softmaxd.http.lifecycle import Lifecycle
from softmaxd.http.openapi import Responses, path_parameters
from softmaxd.metrics.metrics import Metrics
from softmaxd.models.model import Model
from softmaxd.models.repository import Repository
from softmaxd.protocols.protocol import KEY_ERRORS
from softmaxd.protocols.v2.descriptions import (
    V2Live,
    V2ModelConfiguration,
    V2ModelMetadata,
    V2ModelNames,
    V2ModelReady,
    V2Ready,
    V2Server,
    V2Statistics,
)
from softmaxd.protocols.v2.metadata import configure, describe, statistics_of
from softmaxd.protocols.v2.operations import errors_of_path

EXTENSIONS = ["binary_tensor_data", "classification", "model_configuration", "statistics"]


def router(models: Repository, lifecycle: Lifecycle, metrics: Metrics, *, max_rows: int) -> APIRouter:
    """Return the routes."""
    api = APIRouter(tags=["v2"], responses=errors_of_path(*KEY_ERRORS))
    _add_server(api)
    _add_lists(api, models, metrics)
    pages = ModelPages(models, lifecycle, metrics, max_rows)
    not_found = errors_of_path(ModelNotFound)
    not_ready = errors_of_path(ModelNotFound, NotReady)
    _add_page(api, "", pages.metadata, V2ModelMetadata, "Inputs and outputs of a model", not_found)
    _add_page(api, "/ready", pages.ready, V2ModelReady, "A model answers", not_ready)
    _add_page(api, "/config", pages.config, V2ModelConfiguration, "A model's configuration for Triton", not_found)
    _add_page(api, "/stats", pages.stats, V2Statistics, "Runs of a model", not_found)
    whole = APIRouter()
    whole.include_router(_health(models, lifecycle))
    whole.include_router(api)
    return whole


def _add_server(api: APIRouter) -> None:
    async def metadata() -> V2Server:
        return V2Server(name="softmaxd", version=__version__, extensions=EXTENSIONS)

    summary = "Name, version and extensions of the server"
    api.add_api_route("/v2", metadata, operation_id="v2_server", summary=summary)
    api.add_api_route("/v2/", metadata, include_in_schema=False)


def _health(models: Repository, lifecycle: Lifecycle) -> APIRouter:
    """Return the routes of probes, which need no key."""
    api = APIRouter(tags=["v2"])

    @api.get("/v2/health/live", operation_id="v2_live", summary="The process answers")
    async def live() -> V2Live:
        return V2Live(live=True)

    @api.get(
        "/v2/health/ready",
        operation_id="v2_ready",
        summary="Models are loaded and warm",
        responses=errors_of_path(NotReady),
    )
    async def ready() -> V2Ready:
        lifecycle.check_staying()
        models.check_ready()
        return V2Ready(ready=True)

    return api


def _add_lists(api: APIRouter, models: Repository, metrics: Metrics) -> None:
    @api.get("/v2/models", operation_id="v2_list_models", summary="The names of the models")
    async def list_models(request: Request) -> V2ModelNames:
        return V2ModelNames(models=sorted({model.manifest.name for model in _seen(request, models)}))

    @api.get("/v2/models/stats", operation_id="v2_statistics", summary="Runs of each version of each model")
    async def statistics(request: Request) -> V2Statistics:
        return statistics_of(_seen(request, models), metrics)


def _seen(request: Request, models: Repository) -> list[Model]:
    """Return the models that a request may use."""
    rights = rights_of(request)
    return [model for model in models.all() if rights.may_use(model.manifest.name)]


@dataclass(frozen=True, slots=True)
class ModelPages:
    """The answers about a model, or about one version of it."""

    models: Repository
    lifecycle: Lifecycle
    metrics: Metrics
    max_rows: int

    def metadata(self, name: str, version: str | None) -> V2ModelMetadata:
        return describe(self.models.find(name, version).manifest, self._versions(name, version))

    def ready(self, name: str, version: str | None) -> V2ModelReady:
        self.lifecycle.check_staying()
        self.models.versions_of(name, version)
        return V2ModelReady(name=name, ready=True)

    def config(self, name: str, version: str | None) -> V2ModelConfiguration:
        return configure(self.models.find(name, version).manifest, max_rows=self.max_rows)

    def stats(self, name: str, version: str | None) -> V2Statistics:
        return statistics_of(self._versions(name, version), self.metrics)

    def _versions(self, name: str, version: str | None) -> list[Model]:
        """Return the one version that is asked for, or all of them, the highest last. Raises `ModelNotFound`."""
        if version is not None:
            return [self.models.find(name, version)]
        found = [model for model in self.models.all() if model.manifest.name == name]
        return found or [self.models.find(name)]  # found after all if it has just been loaded


def _add_page(
    api: APIRouter,
    suffix: str,
    answer: Callable[[str, str | None], object],
    reply: type,
    summary: str,
    errors: Responses,
) -> None:
    """Add a route for a model, and one for a version of it."""

    async def page(request: Request) -> object:
        return answer(request.path_params["name"], request.path_params.get("version"))

    operation_id = f"v2_model{suffix.replace('/', '_')}"
    for path, ending, text in (
        (f"/v2/models/{{name}}{suffix}", "", summary),
        (f"/v2/models/{{name}}/versions/{{version}}{suffix}", "_version", f"{summary}: one version"),
    ):
        api.add_api_route(
            path,
            page,
            operation_id=operation_id + ending,
            response_model=reply,
            summary=text,
            responses=errors,
            openapi_extra=path_parameters(path),
        )
