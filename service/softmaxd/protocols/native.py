"""The native HTTP interface: `/softmax`, `/predict`, `/models`, and the health of the process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, NotRequired

import numpy as np
import numpy.typing as npt
import orjson
from fastapi import APIRouter
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictInt,
    Tag,
    TypeAdapter,
    with_config,
)
from typing_extensions import TypedDict

from softmaxd import __version__
from softmaxd.errors import (
    HeadersTooLarge,
    InvalidBody,
    ModelNotFound,
    NotReady,
    OutputNotFinite,
    Problem,
    QueueFull,
    QueueTimeout,
    RequestTimeout,
    ServiceError,
    TooLarge,
    UnsupportedMediaType,
)
from softmaxd.http.asgi import Endpoint
from softmaxd.http.lifecycle import Lifecycle
from softmaxd.http.openapi import Examples, Responses, example_rows, examples_of, operation_docs, refusal
from softmaxd.http.operation import (
    JSON,
    Headers,
    Job,
    Operation,
    Reply,
    content_headers,
    header_fields,
    refuse_compressed,
)
from softmaxd.models.inputs import FAIL_FAST, Instances, VectorOrMatrix, invalid, read_features, read_logits
from softmaxd.models.manifest import Calibration, Datatype, Evaluation, Feature, Manifest, Provenance
from softmaxd.models.model import Model
from softmaxd.models.outputs import Array, Features, Outputs, to_json
from softmaxd.models.repository import Repository
from softmaxd.models.versions import Version
from softmaxd.numerics.softmax import FEW_CLASSES, Floats, Softmax, sigmoid, softmax_of_few
from softmaxd.numerics.trust import (
    DEFAULT_COVERAGE,
)

# --- what comes in -----------------------------------------------------------------------------------------------

STRICT = ConfigDict(strict=True, extra="forbid")

SoftmaxInclude = Literal["log_probabilities", "loss", "entropy", "sigmoid"]
PredictInclude = Literal["logits", "log_probabilities", "prediction_sets", "typicality"]
NEED_CALIBRATION = {"prediction_sets", "typicality"}
Index = Annotated[StrictInt, Field(ge=0)]


@with_config(STRICT)
class SoftmaxRequest(TypedDict):
    """Raw logits, whose softmax is wanted."""

    logits: Annotated[
        VectorOrMatrix,
        Field(description="A vector of at least 1 number, or a matrix: rows of the same length. Finite float64."),
    ]
    temperature: NotRequired[
        Annotated[FiniteFloat, Field(gt=0, description="The answer is softmax(logits / temperature). Default 1.")]
    ]
    targets: NotRequired[
        Annotated[
            Annotated[Index, Tag("index")] | Annotated[list[Index], FAIL_FAST, Tag("indices")],
            Field(
                union_mode="left_to_right",
                description="The true class: an index, or one per row of a matrix. Needed for `loss`.",
            ),
        ]
    ]
    include: NotRequired[
        Annotated[
            list[SoftmaxInclude],
            FAIL_FAST,
            Field(
                description="More fields in the answer: `log_probabilities`; `loss` (−log p of the target, in nats, "
                "per row); `entropy` (in nats, per row); `sigmoid` (elementwise, for comparison)."
            ),
        ]
    ]


@with_config(STRICT)
class PredictRequest(TypedDict):
    """Rows of features, whose classes are wanted."""

    instances: Annotated[
        Instances,
        Field(
            description="At least one row: a list of numbers in the model's feature order, or an object by feature "
            "name; one form per request. Finite, and such as the model's `datatype` has: also as float32, or whole."
        ),
    ]
    include: NotRequired[
        Annotated[
            list[PredictInclude],
            FAIL_FAST,
            Field(
                description="More fields in the answer: `logits`; `log_probabilities` (in nats); `prediction_sets` and "
                "`typicality`, of models with calibration data."
            ),
        ]
    ]
    coverage: NotRequired[
        Annotated[
            FiniteFloat,
            Field(
                gt=0,
                lt=1,
                description="The share of rows whose true label is in their prediction set, at least. "
                f"Default {DEFAULT_COVERAGE}.",
            ),
        ]
    ]
    top_k: NotRequired[
        Annotated[
            StrictInt,
            Field(ge=1, description="1 … classes: answer with the `top` labels instead of all `probabilities`."),
        ]
    ]


SOFTMAX_REQUEST = TypeAdapter(SoftmaxRequest)
PREDICT_REQUEST = TypeAdapter(PredictRequest)

# --- what goes out -----------------------------------------------------------------------------------------------

Numbers = Annotated[list[float] | list[list[float]], Field(description="Of the shape of `logits`.")]
PerRow = Annotated[float | list[float], Field(description="A number for a vector, one per row for a matrix. Nats.")]
FloatRows = Annotated[list[list[float]], Field(description="One row per instance, one float32 per class.")]


class SoftmaxReply(TypedDict):
    probabilities: Numbers
    log_probabilities: NotRequired[Numbers]
    loss: NotRequired[PerRow]
    entropy: NotRequired[PerRow]
    sigmoid: NotRequired[Numbers]


class Ranked(TypedDict):
    label: str
    probability: float


class PredictReply(TypedDict):
    """Column-wise: entry i of each list belongs to instance i."""

    model: str
    version: str
    labels: Annotated[list[str], Field(description="The most probable class; ties: the lower class index.")]
    probabilities: NotRequired[FloatRows]
    top: NotRequired[Annotated[list[list[Ranked]], Field(description="With `top_k`: most probable first.")]]
    logits: NotRequired[FloatRows]
    log_probabilities: NotRequired[FloatRows]
    prediction_sets: NotRequired[
        Annotated[
            list[list[str]],
            Field(description="The smallest sets that hold the true label often enough, most probable label first."),
        ]
    ]
    typicality: NotRequired[
        Annotated[
            list[float],
            Field(description="In (0, 1]: the share of calibration rows at least as unlike the training rows."),
        ]
    ]


class CalibrationInfo(TypedDict):
    rows: Annotated[int, Field(description="Which took no part in training.")]
    temperature: Annotated[float, Field(description="By which the graph divides the network's logits.")]
    most_coverage: Annotated[float, Field(description="Above it a prediction set is all labels.")]


class ModelInfo(BaseModel):
    """One version of a model: what it is, and where it comes from. Only a ready one has more than a state."""

    name: str
    version: str
    default: Annotated[bool, Field(description="Whether `POST /predict` asks this one.")]
    state: Literal["ready", "loading", "rejected", "unloaded"]
    reason: Annotated[str, Field(description="Why it is not ready, or why a newer file of it is not; else empty.")]
    provider: Annotated[str | None, Field(description="ONNX Runtime's execution provider.")] = None
    classes: Annotated[list[str], Field(description="All labels, in the order of the probabilities.")] = []
    features: Annotated[list[Feature], Field(description="In order, with the range in the training rows.")] = []
    datatype: Annotated[Datatype | None, Field(description="Of the features, as `/v2` names it.")] = None
    metrics: Annotated[dict[str, float], Field(description="On the test rows; losses in nats.")] = {}
    sha256: Annotated[str | None, Field(description="Of the ONNX file.")] = None
    provenance: Provenance | None = None
    calibration: Annotated[CalibrationInfo | None, Field(description="Null: no prediction sets, no typicality.")] = None
    evaluation: Annotated[Evaluation | None, Field(description="Tables of the test rows.")] = None
    notes: Annotated[list[str], Field(description="What `softmaxd models add` found and changed.")] = []


class ModelList(BaseModel):
    models: list[ModelInfo]


class Status(BaseModel):
    status: str


class About(Status):
    name: str
    version: str
    docs: str


class Refusal(BaseModel):
    detail: str


class BodyRefusal(BaseModel):
    detail: list[Problem]


# --- decode and encode: pure -------------------------------------------------------------------------------------


@dataclass(slots=True)
class SoftmaxJob(Job):
    logits: Floats | list[list[float]]  # [rows, classes]
    is_vector: bool
    temperature: float
    targets: npt.NDArray[np.intp] | None  # [rows]
    include: Sequence[SoftmaxInclude]


@dataclass(slots=True)
class PredictJob(Job):
    features: Features
    manifest: Manifest
    include: Sequence[PredictInclude]
    top_k: int | None
    coverage: float


def decode_softmax(body: bytes, *, max_rows: int) -> SoftmaxJob:
    """Return what a body of `POST /softmax` asks for; raises `InvalidBody` or `TooLarge`."""
    rows, is_vector, request = read_logits(SOFTMAX_REQUEST, body, max_rows=max_rows)
    include = request.get("include", ())
    targets = request.get("targets")
    if targets is None and "loss" in include:
        raise invalid("missing", ["targets"], "Field required for loss")
    checked = None if targets is None else _targets(targets, len(rows), len(rows[0]), is_vector=is_vector)
    return SoftmaxJob(None, rows, is_vector, request.get("temperature", 1.0), checked, include)


def _targets(targets: int | list[int], rows: int, classes: int, *, is_vector: bool) -> npt.NDArray[np.intp]:
    if isinstance(targets, int) != is_vector:
        expected = "one index, as logits is a vector" if is_vector else "a list of indices, one per row of logits"
        raise invalid("targets_shape", ["targets"], f"Input should be {expected}")
    indices = [targets] if isinstance(targets, int) else targets
    if len(indices) != rows:
        raise invalid("targets_shape", ["targets"], f"Input should have {rows} indices, not {len(indices)}")
    for row, index in enumerate(indices):
        if index >= classes:
            loc: list[str | int] = ["targets"] if is_vector else ["targets", row]
            raise invalid("less_than", loc, f"Input should be less than {classes}, the number of classes")
    return np.array(indices, dtype=np.intp)


def encode_softmax(job: SoftmaxJob) -> bytes:
    """Return the answer to `POST /softmax`, float64 digits that round-trip."""
    if job.is_vector and not job.include and job.temperature == 1.0 and len(job.logits[0]) <= FEW_CLASSES:
        return orjson.dumps({"probabilities": softmax_of_few(job.logits[0])})
    logits = np.array(job.logits, dtype=np.float64)
    result = Softmax(logits, job.temperature)
    fields: dict[str, Any] = {"probabilities": result.probabilities}
    if "log_probabilities" in job.include:
        fields["log_probabilities"] = result.log_probabilities
    if "loss" in job.include and job.targets is not None:
        fields["loss"] = result.loss(job.targets)
    if "entropy" in job.include:
        fields["entropy"] = result.entropy
    if "sigmoid" in job.include:
        fields["sigmoid"] = sigmoid(logits)
    if job.is_vector:
        fields = {name: values[0] for name, values in fields.items()}
    return to_json(fields)


def decode_predict(body: bytes, manifest: Manifest, *, max_rows: int) -> PredictJob:
    """Return what a body of `POST …/predict` asks of a model; raises `InvalidBody` or `TooLarge`."""
    features, request = read_features(PREDICT_REQUEST, body, manifest, max_rows=max_rows)
    top_k = request.get("top_k")
    if top_k is not None and top_k > len(manifest.labels):
        message = f"Input should be at most {len(manifest.labels)}, the number of classes"
        raise invalid("less_than_equal", ["top_k"], message)
    include = request.get("include", ())
    if include and manifest.calibration is None:
        _refuse_uncalibrated(include, manifest)
    return PredictJob(features, manifest, include, top_k, request.get("coverage", DEFAULT_COVERAGE))


def _refuse_uncalibrated(include: Sequence[PredictInclude], manifest: Manifest) -> None:
    for index, field in enumerate(include):
        if field in NEED_CALIBRATION:
            raise invalid("not_calibrated", ["include", index], f"{field} needs {manifest.missing_calibration}")


def encode_predict(outputs: Outputs, job: PredictJob) -> bytes:
    """Return the answer to `POST …/predict`, float32 digits that round-trip.

    Raises `OutputNotFinite` when an output is not finite, though the features are.
    """
    labels = job.manifest.labels_as_json
    parts = [b'{%s,"labels":[%s]' % (job.manifest.names_as_json, b",".join([labels[index] for index in outputs.best]))]
    if job.top_k is None:
        parts.append(b'"probabilities":%s' % outputs.json("probabilities"))
    else:
        parts.append(b'"top":%s' % to_json(_top(outputs["probabilities"], job.top_k, job.manifest.labels)))
    if "logits" in job.include:
        parts.append(b'"logits":%s' % outputs.json("logits"))
    if "log_probabilities" in job.include:
        values = outputs.log_probabilities.astype(np.float32)
        parts.append(b'"log_probabilities":%s' % to_json(values))
    if calibration := job.manifest.calibration:
        if "prediction_sets" in job.include:
            sets = _sets_as_json(outputs.log_probabilities, calibration, job.coverage, labels)
            parts.append(b'"prediction_sets":%s' % sets)
        if "typicality" in job.include:
            parts.append(b'"typicality":%s' % to_json(calibration.typicality(outputs.atypicality)))
    return b",".join(parts) + b"}"


def _sets_as_json(logarithms: Floats, calibration: Calibration, coverage: float, labels: Sequence[bytes]) -> bytes:
    """Return the labels of each row's set, the most probable one first; labels come as JSON."""
    order = np.argsort(-logarithms, axis=1, kind="stable")
    sizes = calibration.prediction_sets(logarithms, coverage).sum(axis=1).tolist()
    rows = [
        b",".join([labels[index] for index in indices[:size]])
        for indices, size in zip(order.tolist(), sizes, strict=True)
    ]
    return b"[[%s]]" % b"],[".join(rows)


def _top(probabilities: Array, top_k: int, labels: Sequence[str]) -> list[list[Ranked]]:
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]  # stable: ties keep the class order
    ranked = np.take_along_axis(probabilities, order, axis=1)
    return [
        [Ranked(label=labels[index], probability=value) for index, value in zip(indices, values, strict=True)]
        for indices, values in zip(order.tolist(), ranked, strict=True)
    ]


SOFTMAX_DESCRIPTION = "Computed in float64, shifted by the row's maximum: no finite logits overflow."
PREDICT_DESCRIPTION = "The float32 probabilities are those of the ONNX file, temperature and normalisation included."

# --- the parts of HTTP -------------------------------------------------------------------------------------------


def check_headers(headers: Headers) -> None:
    """Refuse a body that is declared as something else than plain JSON."""
    found = content_headers(headers)
    if found.get(b"content-type", JSON) != JSON:
        _check_media_type(found[b"content-type"])
    refuse_compressed(found)


def _check_media_type(content_type: bytes) -> None:
    media_type = content_type.partition(b";")[0].strip().lower()
    is_json = media_type == JSON or (media_type.startswith(b"application/") and media_type.endswith(b"+json"))
    if media_type and not is_json:
        raise UnsupportedMediaType(
            "The body should be JSON: send the header 'Content-Type: application/json' "
            "(with curl: -H 'Content-Type: application/json')"
        )


def refuse(error: ServiceError) -> Reply:
    """Return an error in FastAPI's convention: a list for a wrong body, one sentence for the rest."""
    if isinstance(error, OutputNotFinite):
        error = invalid(
            "too_large", ["instances", error.row], "Input should be numbers for which the model's output is finite"
        )
    detail = error.problems if isinstance(error, InvalidBody) else error.detail
    return Reply(orjson.dumps({"detail": detail}), error.status, headers=header_fields(error.headers))


def _refusals(*errors: type[ServiceError]) -> Responses:
    return {error.status: refusal(error, BodyRefusal if error is InvalidBody else Refusal) for error in errors}


def _softmax_examples() -> Examples:
    bodies: dict[str, Any] = {
        "vector": {"logits": [0.7, 1.5, 4.8]},
        "matrix": {
            "logits": [[0.7, 1.5, 4.8], [-1.0, 0.0, 1.0]],
            "temperature": 2.0,
            "targets": [2, 0],
            "include": ["log_probabilities", "loss", "entropy", "sigmoid"],
        },
    }
    return {
        name: (body, orjson.loads(encode_softmax(decode_softmax(orjson.dumps(body), max_rows=2))))
        for name, body in bodies.items()
    }


def _predict_examples(model: Model) -> Examples:
    """Return requests to this model with its answers."""
    low, high = example_rows(model.manifest)
    by_name = {feature.name: value for feature, value in zip(model.manifest.features, low, strict=True)}
    bodies: dict[str, Any] = {
        "rows": {"instances": [low, high]},
        "by name": {"instances": [by_name], "top_k": 2, "include": ["logits", "log_probabilities"]},
    }
    if model.manifest.calibration is not None:
        include = ["prediction_sets", "typicality"]
        bodies["how far to trust it"] = {"instances": [low, high], "include": include, "coverage": 0.9}
    examples = {}
    for name, body in bodies.items():
        job = decode_predict(orjson.dumps(body), model.manifest, max_rows=2)
        examples[name] = (body, orjson.loads(encode_predict(model.run(job.features), job)))
    return examples


BODY_ERRORS = (RequestTimeout, TooLarge, UnsupportedMediaType, InvalidBody, HeadersTooLarge, NotReady)
PREDICT_ERRORS = (ModelNotFound, *BODY_ERRORS, QueueFull, QueueTimeout)


# --- operations and routes ---------------------------------------------------------------------------------------


def operations(models: Repository, *, max_rows: int) -> list[Operation]:
    """Return the operations of the native interface, the hottest first."""

    def decode_rows(body: bytes, _headers: Headers, model: Model | None) -> PredictJob:
        assert model is not None
        return decode_predict(body, model.manifest, max_rows=max_rows)

    def decode_logits(body: bytes, _headers: Headers, _model: Model | None) -> SoftmaxJob:
        return decode_softmax(body, max_rows=max_rows)

    predict = Operation(
        path="/predict",
        find=models.find,
        check=check_headers,
        decode=decode_rows,
        encode=lambda outputs, job: Reply(encode_predict(outputs, job)),
        refuse=refuse,
    )
    return [
        predict,
        replace(
            predict,
            path="/softmax",
            find=lambda _name, _version: None,
            decode=decode_logits,
            encode=lambda _outputs, job: Reply(encode_softmax(job)),
        ),
        replace(predict, path="/models/{name}/predict"),
        replace(predict, path="/models/{name}/versions/{version}/predict"),
    ]


def router(models: Repository, endpoints: Mapping[str, Endpoint], lifecycle: Lifecycle) -> APIRouter:
    """Return the routes of the native interface; `endpoints` are its operations, by path."""
    api = APIRouter()
    _add_operations(api, models, endpoints)
    _add_models(api, models)
    _add_health(api, models, lifecycle)
    return api


def _add_operations(api: APIRouter, models: Repository, endpoints: Mapping[str, Endpoint]) -> None:
    examples = examples_of(models.any(), _predict_examples)
    for path, summary, description in (
        ("/softmax", "Raw logits → probabilities", SOFTMAX_DESCRIPTION),
        ("/predict", "Features → class probabilities, by the default model", PREDICT_DESCRIPTION),
        ("/models/{name}/predict", "The same by a named model", "The highest version of this model answers."),
        ("/models/{name}/versions/{version}/predict", "The same by one version", "Exactly this version answers."),
    ):
        docs = (
            operation_docs(path, SOFTMAX_REQUEST, SoftmaxReply, _refusals(*BODY_ERRORS), _softmax_examples())
            if path == "/softmax"
            else operation_docs(path, PREDICT_REQUEST, PredictReply, _refusals(*PREDICT_ERRORS), examples)
        )
        api.add_api_route(
            path,
            endpoints[path],
            methods=["POST"],
            tags=["operations"],
            summary=summary,
            description=description,
            **docs,
        )


def _info(version: Version, models: Repository) -> ModelInfo:
    info = ModelInfo(
        name=version.name,
        version=str(version.version),
        default=False,
        state=version.state,
        reason=version.reason,
    )
    if version.model is None:
        return info
    manifest = version.model.manifest
    return info.model_copy(
        update={
            "default": models.default is not None and version.model is models.find(None),
            "provider": version.model.provider,
            "classes": list(manifest.labels),
            "features": list(manifest.features),
            "datatype": manifest.datatype,
            "metrics": dict(manifest.metrics),
            "sha256": manifest.sha256,
            "provenance": manifest.provenance,
            "calibration": _calibration_info(manifest.calibration),
            "evaluation": manifest.evaluation,
            "notes": list(manifest.notes),
        }
    )


def _calibration_info(calibration: Calibration | None) -> CalibrationInfo | None:
    if calibration is None:
        return None
    return CalibrationInfo(
        rows=calibration.rows, temperature=calibration.temperature, most_coverage=calibration.most_coverage
    )


def _add_models(api: APIRouter, models: Repository) -> None:
    def describe(name: str, version: str | None) -> ModelInfo:
        served = models.find(name, version)
        return next(_info(each, models) for each in models.states() if each.model is served)

    @api.get("/models", tags=["models"], summary="Every version of every model")
    async def list_models() -> ModelList:
        """Those that are not served as well, with the reason."""
        return ModelList(models=[_info(version, models) for version in models.states()])

    @api.get(
        "/models/{name}",
        tags=["models"],
        summary="The version of a model that answers by default",
        responses=_refusals(ModelNotFound),
    )
    async def describe_model(name: str) -> ModelInfo:
        return describe(name, None)

    @api.get(
        "/models/{name}/versions/{version}",
        tags=["models"],
        summary="One version of a model",
        responses=_refusals(ModelNotFound),
    )
    async def describe_version(name: str, version: str) -> ModelInfo:
        return describe(name, version)


def _add_health(api: APIRouter, models: Repository, lifecycle: Lifecycle) -> None:
    @api.get("/livez", tags=["health"], summary="The process answers")
    async def livez() -> Status:
        return Status(status="alive")

    @api.get("/readyz", tags=["health"], summary="Models are loaded and warm", responses=_refusals(NotReady))
    async def readyz() -> Status:
        """Not ready once the service is shutting down, or when there is no model to serve."""
        lifecycle.admit()
        models.check_ready()
        return Status(status="ready")

    @api.get("/", tags=["health"], summary="What this is")
    async def about() -> About:
        return About(status="alive", name="softmaxd", version=__version__, docs="/docs")
