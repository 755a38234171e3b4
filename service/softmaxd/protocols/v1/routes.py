"""The routes of `/v1` beside its operations: the names, states and signatures of models."""

from collections.abc import Sequence
from typing import Literal, assert_never

from fastapi import APIRouter, HTTPException, Request

from softmaxd.errors import ModelNotFound, NotReady
from softmaxd.http.guard import rights_of
from softmaxd.http.lifecycle import Lifecycle
from softmaxd.http.openapi import path_parameters
from softmaxd.models.features import TableDatatype
from softmaxd.models.manifest import Manifest, NamedInput
from softmaxd.models.repository import Repository
from softmaxd.models.versions import State, Version
from softmaxd.protocols.protocol import KEY_ERRORS
from softmaxd.protocols.v1.operations import PATHS, errors_of_path
from softmaxd.protocols.v1.schemas import (
    SIGNATURES,
    TYPES,
    V1Dimension,
    V1Metadata,
    V1ModelMetadata,
    V1ModelNames,
    V1ModelSpec,
    V1ModelStatus,
    V1SignatureDef,
    V1SignatureDefMap,
    V1TensorInfo,
    V1TensorShape,
    V1VersionError,
    V1VersionStatus,
)


def router(models: Repository, lifecycle: Lifecycle) -> APIRouter:
    """Return the routes."""
    api = APIRouter(tags=["v1"], responses=errors_of_path(*KEY_ERRORS))
    for path, _, _ in PATHS:
        for verb in (":predict", ":classify"):
            api.add_api_route(path + verb, _only_post, include_in_schema=False)
    _add_names(api, models)
    _add_status(api, models, lifecycle)
    _add_metadata(api, models)
    return api


async def _only_post() -> None:
    """Refuse a GET: it would ask for a model with the verb in its name."""
    raise HTTPException(405, headers={"Allow": "POST"})


def _add_names(api: APIRouter, models: Repository) -> None:
    @api.get("/v1/models", operation_id="v1_list_models", summary="The names of the models")
    async def list_models(request: Request) -> V1ModelNames:
        rights = rights_of(request)
        names = dict.fromkeys(model.manifest.name for model in models.all())
        return V1ModelNames(models=[name for name in names if rights.may_use(name)])


def _add_status(api: APIRouter, models: Repository, lifecycle: Lifecycle) -> None:
    async def status(request: Request) -> V1ModelStatus:
        lifecycle.check_staying()
        return status_of(models.versions_of(**request.path_params)[::-1])

    for path, ending, subject in PATHS:
        api.add_api_route(
            path,
            status,
            operation_id=f"v1_status{ending}",
            summary=f"The state {subject}",
            responses=errors_of_path(ModelNotFound, NotReady),
            openapi_extra=path_parameters(path),
        )


def _add_metadata(api: APIRouter, models: Repository) -> None:
    async def metadata(request: Request) -> V1ModelMetadata:
        return _metadata_of(models.find(**request.path_params).manifest)

    for path, ending, subject in PATHS:
        api.add_api_route(
            path + "/metadata",
            metadata,
            operation_id=f"v1_metadata{ending}",
            summary=f"The signatures {subject}",
            responses=errors_of_path(ModelNotFound),
            openapi_extra=path_parameters(path),
        )


def _state(state: State) -> Literal["AVAILABLE", "LOADING", "END"]:
    match state:
        case "ready":
            return "AVAILABLE"
        case "loading":
            return "LOADING"
        case "rejected" | "unloaded":
            return "END"
        case _:  # pragma: no cover - mypy proves that there is no other state
            assert_never(state)


def status_of(versions: Sequence[Version]) -> V1ModelStatus:
    """Return the state of these versions of a model."""
    statuses = [
        V1VersionStatus(
            version=str(each.version),
            state=_state(each.state),
            status=V1VersionError(error_code="INVALID_ARGUMENT", error_message=each.reason)
            if each.state == "rejected"
            else V1VersionError(error_code="OK", error_message=""),
        )
        for each in versions
    ]
    return V1ModelStatus(name=versions[0].name, ready=True, model_version_status=statuses)


def _metadata_of(manifest: Manifest) -> V1ModelMetadata:
    signatures = {
        signature: V1SignatureDef(
            inputs={name: _tensor(name, datatype, row) for name, datatype, row in _inputs_of(manifest)},
            outputs={output: _tensor(output, "FP32", (len(manifest.labels),))},
            method_name="tensorflow/serving/predict",
        )
        for signature, output in SIGNATURES.items()
    }
    return V1ModelMetadata(
        model_spec=V1ModelSpec(name=manifest.name, signature_name="", version=str(manifest.version)),
        metadata=V1Metadata(signature_def=V1SignatureDefMap(signature_def=signatures)),
    )


def _inputs_of(manifest: Manifest) -> Sequence[NamedInput]:
    """Return the inputs by their names in requests: each feature of a table is one, whose rows are single values."""
    if manifest.takes_array:
        return manifest.inputs
    return [
        NamedInput(manifest.features[index].name, tensor.datatype, ())
        for tensor in manifest.tensors
        for index in tensor.columns
    ]


def _tensor(name: str, datatype: TableDatatype, row: tuple[int, ...]) -> V1TensorInfo:
    dtype = f"DT_{TYPES.get(datatype, datatype)}"
    dimensions = [V1Dimension(size=str(size), name="") for size in (-1, *row)]
    return V1TensorInfo(dtype=dtype, tensor_shape=V1TensorShape(dim=dimensions, unknown_rank=False), name=f"{name}:0")
