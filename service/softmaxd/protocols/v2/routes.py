"""The operations and routes of `/v2`."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Literal, TypeVar

import orjson
from fastapi import APIRouter, Request
from pydantic import TypeAdapter

from softmaxd import __version__
from softmaxd.access import check_admin
from softmaxd.errors import (
    Forbidden,
    HeadersTooLarge,
    InvalidBody,
    ModelError,
    ModelNotFound,
    ModelNotLoaded,
    NotReady,
    OutputNotFinite,
    QueueFull,
    QueueTimeout,
    RequestTimeout,
    ServiceError,
    TooLarge,
    Unauthorized,
    UnsupportedMediaType,
)
from softmaxd.http.asgi import Endpoint, read_body
from softmaxd.http.compression import WINDOW_BITS, check_encoding, inflate
from softmaxd.http.lifecycle import Lifecycle
from softmaxd.http.openapi import (
    Examples,
    Responses,
    example_rows,
    examples_of,
    operation_docs,
    path_parameters,
    refusal,
)
from softmaxd.http.operation import Headers, Job, Operation, Reply, header_fields
from softmaxd.models.inputs import (
    invalid,
    read_json,
    refuse_nan,
)
from softmaxd.models.model import Model
from softmaxd.models.outputs import Outputs
from softmaxd.models.repository import Repository
from softmaxd.models.versions import State, Version
from softmaxd.protocols.v2.codec import InferJob, decode_infer, encode_infer
from softmaxd.protocols.v2.metadata import Tallies, configure, count, describe
from softmaxd.protocols.v2.schemas import (
    BINARY,
    INDEX_REQUEST,
    INFER_REQUEST,
    INPUT,
    LOAD_REQUEST,
    Configuration,
    Done,
    IndexEntry,
    InferError,
    InferReply,
    Live,
    LoadRequest,
    Metadata,
    ModelNames,
    ModelReady,
    Ready,
    Server,
    Statistics,
)
from softmaxd.settings import Settings

PREFIX = "/v2"  # of its paths
EXTENSIONS = ["binary_tensor_data", "classification", "model_configuration", "statistics"]

BAD_REQUEST = 400  # of a wrong body, which is 422 elsewhere

T = TypeVar("T")


def read_optional(schema: TypeAdapter[T], body: bytes, headers: Headers, *, max_bytes: int) -> T:
    """Return a body as its schema says; none at all is as good as `{}`."""
    body = inflate(body, dict(headers).get(b"content-encoding", b""), max_bytes=max_bytes)
    refuse_nan(body)
    return read_json(schema, body or b"{}")


def refuse_upload(request: LoadRequest) -> None:
    """Refuse a configuration and files: what is served comes from the models folder, and from nowhere else."""
    for name, value in (request.get("parameters") or {}).items():
        if value is not None and (name == "config" or name.startswith("file:")):
            message = "Input should have no config and no file: models come from the models folder"
            raise invalid("extra_forbidden", ["parameters"], message)


BINARY_CONTENT = {BINARY.decode(): {"schema": {"type": "string", "format": "binary"}}}


@dataclass(slots=True)
class IndexJob(Job):
    only_ready: bool


def check_headers(headers: Headers) -> None:
    """Refuse a Content-Encoding that is not known. Any Content-Type will do: clients send none, or a wrong one."""
    for name, value in headers:
        if name == b"content-encoding":
            check_encoding(value)


def refuse(error: ServiceError) -> Reply:
    """Return an error as the clients of this protocol read it; a wrong body is 400."""
    headers = header_fields(error.headers)
    if isinstance(error, UnsupportedMediaType):
        headers = (*headers, (b"accept-encoding", b", ".join(WINDOW_BITS)))
    return Reply(orjson.dumps({"error": error.detail}), _status(type(error), error.status), headers=headers)


def _status(kind: type[ServiceError], status: int) -> int:
    return BAD_REQUEST if issubclass(kind, InvalidBody | OutputNotFinite) else status


def _refusals(*errors: type[ServiceError]) -> Responses:
    return {_status(error, error.status): refusal(error, InferError) for error in errors}


INFER = "/v2/models/{name}/infer"
INFER_VERSION = "/v2/models/{name}/versions/{version}/infer"
REPOSITORY_INDEX = "/v2/repository/index"
LOAD = "/v2/repository/models/{name}/load"
UNLOAD = "/v2/repository/models/{name}/unload"


def operations(models: Repository, *, max_rows: int, max_body_bytes: int) -> list[Operation]:
    """Return the operations of this protocol, the hottest first."""

    def decode_rows(body: bytes, headers: Headers, model: Model | None) -> InferJob:
        assert model is not None
        return decode_infer(body, headers, model.manifest, max_rows=max_rows, max_bytes=max_body_bytes)

    def decode_index(body: bytes, headers: Headers, _model: Model | None) -> IndexJob:
        request = read_optional(INDEX_REQUEST, body, headers, max_bytes=max_body_bytes)
        return IndexJob(None, bool(request.get("ready")))

    def encode_index(_outputs: Outputs, job: IndexJob) -> Reply:
        return Reply(orjson.dumps(list_versions(models, only_ready=job.only_ready)))

    infer = Operation(
        path=INFER, find=models.find, check=check_headers, decode=decode_rows, encode=encode_infer, refuse=refuse
    )
    index = Operation(
        path=REPOSITORY_INDEX,
        find=lambda _name, _version: None,
        check=check_headers,
        decode=decode_index,
        encode=encode_index,
        refuse=refuse,
    )
    return [infer, replace(infer, path=INFER_VERSION), index]


def list_versions(models: Repository, *, only_ready: bool) -> list[IndexEntry]:
    """Return every version of every model, with what became of it."""
    return [_entry(version) for version in models.states() if version.model is not None or not only_ready]


def _state(state: State) -> Literal["READY", "LOADING", "UNAVAILABLE"]:
    match state:
        case "ready":
            return "READY"
        case "loading":
            return "LOADING"
        case "rejected" | "unloaded":
            return "UNAVAILABLE"


def _entry(version: Version) -> IndexEntry:
    return IndexEntry(
        name=version.name, version=str(version.version), state=_state(version.state), reason=version.reason
    )


TAGS: list[str | Enum] = ["open inference protocol"]
BODY_ERRORS = (RequestTimeout, TooLarge, UnsupportedMediaType, InvalidBody, HeadersTooLarge, NotReady)
ADMIN_ERRORS = (Unauthorized, Forbidden, ModelNotFound, *BODY_ERRORS)
INFER_ERRORS = (ModelNotFound, *BODY_ERRORS, QueueFull, QueueTimeout)
INFER_DESCRIPTION = """\
An input with `binary_data_size` has its bytes after the JSON, whose own length is then in the request's header
`Inference-Header-Content-Length`; with a length of 0 the body is nothing but the bytes of the one tensor. Outputs with
`binary_data` come in the same way. The body may be compressed (`Content-Encoding`: gzip or deflate), and so is an
answer of 1 KiB or more for whom `Accept-Encoding` lists one of the two.
"""


def router(
    models: Repository,
    endpoints: Mapping[str, Endpoint],
    lifecycle: Lifecycle,
    tallies: Callable[[], Tallies],
    settings: Settings,
) -> APIRouter:
    """Return the routes of this protocol; `endpoints` are its operations, by path."""
    api = APIRouter(tags=TAGS)
    _add_operations(api, models, endpoints)
    _add_server(api, models, lifecycle, tallies)
    _add_models(api, models, lifecycle, tallies, max_rows=settings.max_rows)
    _add_changes(api, models, lifecycle, settings)
    return api


def _add_operations(api: APIRouter, models: Repository, endpoints: Mapping[str, Endpoint]) -> None:
    examples = examples_of(models.any(), _infer_examples)
    for path, summary in ((INFER, "Features → logits and probabilities"), (INFER_VERSION, "The same by one version")):
        docs = operation_docs(path, INFER_REQUEST, InferReply, _refusals(*INFER_ERRORS), examples)
        docs["responses"][200]["content"].update(BINARY_CONTENT)
        api.add_api_route(
            path,
            endpoints[path],
            methods=["POST"],
            summary=summary,
            description=INFER_DESCRIPTION,
            **docs,
        )
    listed = {"ready": ({"ready": True}, list_versions(models, only_ready=True))}
    api.add_api_route(
        REPOSITORY_INDEX,
        endpoints[REPOSITORY_INDEX],
        methods=["POST"],
        summary="Every version of every model, with its state",
        **operation_docs(
            REPOSITORY_INDEX, INDEX_REQUEST, list[IndexEntry], _refusals(*BODY_ERRORS), listed, needs_body=False
        ),
    )


def _infer_examples(model: Model) -> Examples:
    """Return requests to this model with its answers."""
    manifest = model.manifest
    rows = example_rows(manifest)
    tensor = {"name": INPUT, "shape": [2, len(manifest.features)], "datatype": manifest.datatype}
    best = {"name": "probabilities", "parameters": {"classification": 1}}
    bodies: dict[str, Any] = {
        "numbers": {"id": "1", "inputs": [{**tensor, "data": rows}], "outputs": [{"name": "probabilities"}]},
        "classes": {"inputs": [{**tensor, "data": [number for row in rows for number in row]}], "outputs": [best]},
    }
    examples = {}
    for name, body in bodies.items():
        text = orjson.dumps(body)
        job = decode_infer(text, (), manifest, max_rows=2, max_bytes=len(text))
        examples[name] = (body, orjson.loads(encode_infer(model.run(job.features), job).body))
    return examples


def _add_server(api: APIRouter, models: Repository, lifecycle: Lifecycle, tallies: Callable[[], Tallies]) -> None:
    async def metadata() -> Server:
        return Server(name="softmaxd", version=__version__, extensions=EXTENSIONS)

    for path in ("/v2", "/v2/"):
        api.add_api_route(path, metadata, summary="What this is", include_in_schema=path == "/v2")

    @api.get("/v2/health/live", summary="The process answers")
    async def live() -> Live:
        return Live(live=True)

    @api.get("/v2/health/ready", summary="Models are loaded and warm", responses=_refusals(NotReady))
    async def ready() -> Ready:
        lifecycle.admit()
        models.check_ready()
        return Ready(ready=True)

    @api.get("/v2/models", summary="The names of the models")
    async def list_models() -> ModelNames:
        return ModelNames(models=sorted({model.manifest.name for model in models.all()}))

    @api.get("/v2/models/stats", summary="What each version of each model has run")  # before a model of that name
    async def statistics() -> Statistics:
        served = models.all()  # before the tallies, which then have all of them
        found = tallies()
        return Statistics(model_stats=[count(model.manifest, found) for model in served])


def _add_models(
    api: APIRouter, models: Repository, lifecycle: Lifecycle, tallies: Callable[[], Tallies], *, max_rows: int
) -> None:
    def versions(name: str, version: str | None) -> list[Model]:
        """Return the one version that is asked for, or all of them, the highest last."""
        if version is not None:
            return [models.find(name, version)]
        found = [model for model in models.all() if model.manifest.name == name]
        return found or [models.find(name)]  # which raises, unless one has just come

    def metadata(name: str, version: str | None) -> Metadata:
        return describe(versions(name, version))

    def ready(name: str, version: str | None) -> ModelReady:
        lifecycle.admit()
        models.versions_of(name, version)
        return ModelReady(name=name, ready=True)

    def config(name: str, version: str | None) -> Configuration:
        return configure(models.find(name, version).manifest, max_rows=max_rows)

    def statistics(name: str, version: str | None) -> Statistics:
        served = versions(name, version)
        found = tallies()
        return Statistics(model_stats=[count(model.manifest, found) for model in served])

    not_found = _refusals(ModelNotFound)
    _add_get(api, "", metadata, Metadata, "Inputs and outputs of a model", not_found)
    _add_get(api, "/ready", ready, ModelReady, "A model answers", _refusals(ModelNotFound, NotReady))
    _add_get(api, "/config", config, Configuration, "A model's configuration, as Triton gives it", not_found)
    _add_get(api, "/stats", statistics, Statistics, "What a model has run", not_found)


def _add_get(
    api: APIRouter,
    suffix: str,
    answer: Callable[[str, str | None], object],
    form: type,
    summary: str,
    refusals: Responses,
) -> None:
    """Add what there is to get of a model, and of one version of it."""

    async def of_model(request: Request) -> object:
        return answer(request.path_params["name"], request.path_params.get("version"))

    for path, text in (
        (f"/v2/models/{{name}}{suffix}", summary),
        (f"/v2/models/{{name}}/versions/{{version}}{suffix}", f"{summary}: one version"),
    ):
        api.add_api_route(
            path,
            of_model,
            response_model=form,
            summary=text,
            responses=refusals,
            openapi_extra=path_parameters(path),  # declared, they would be announced with a 422
        )


def _add_changes(api: APIRouter, models: Repository, lifecycle: Lifecycle, settings: Settings) -> None:
    async def change(request: Request, how: Callable[[str], None]) -> Done:
        headers = request.headers.raw
        check_admin(headers, settings.admin_keys)
        lifecycle.admit()
        check_headers(headers)
        body = await read_body(request, settings.max_body_bytes)
        refuse_upload(read_optional(LOAD_REQUEST, body, headers, max_bytes=settings.max_body_bytes))
        try:
            await asyncio.to_thread(how, request.path_params["name"])  # a trial takes seconds
        except ModelError as error:
            raise ModelNotLoaded(str(error)) from error
        return Done()

    async def load(request: Request) -> Done:
        return await change(request, models.load)

    async def unload(request: Request) -> Done:
        return await change(request, models.unload)

    for path, endpoint, summary in (
        (LOAD, load, "Serve a model that was unloaded or rejected"),
        (UNLOAD, unload, "Serve a model no longer, until it is loaded again"),
    ):
        api.add_api_route(
            path,
            endpoint,
            methods=["POST"],
            summary=summary,
            description="Only with an admin key: `Authorization: Bearer KEY`.",
            **operation_docs(path, LOAD_REQUEST, Done, _refusals(*ADMIN_ERRORS), {}, needs_body=False),
        )
