"""Bodies of the native interface → checked jobs, and outputs → answers. Pure functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import orjson

from softmaxd.http.operation import Job
from softmaxd.models.answers import PIECE, pieces
from softmaxd.models.calibration import DEFAULT_COVERAGE_BY, CoverageBy
from softmaxd.models.datatypes import invalid
from softmaxd.models.inputs import read_features, read_logits
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Features, Outputs, to_json
from softmaxd.models.vocabularies import unknown_as_json
from softmaxd.numerics.softmax import FEW_CLASSES, Floats, Softmax, sigmoid, softmax_of_few
from softmaxd.numerics.trust import DEFAULT_COVERAGE
from softmaxd.protocols.native.ranking import sets_as_json, top_as_json
from softmaxd.protocols.native.schemas import (
    NEED_CALIBRATION,
    PREDICT_REQUESTS,
    PREDICT_TABLE,
    SOFTMAX_REQUEST,
    PredictInclude,
    SoftmaxInclude,
    SoftmaxRequest,
)


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
    coverage_by: CoverageBy


def decode_softmax(body: bytes, check: Callable[[int, int, SoftmaxRequest], None]) -> SoftmaxJob:
    """Return the job of a body of `POST /softmax`. Raises `InvalidBody`, or as `check` of rows and classes does."""
    rows, is_vector, request = read_logits(SOFTMAX_REQUEST, body, check)
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
    if job.is_vector or logits.size <= PIECE:
        fields = _fields(logits, job, slice(None))
        return to_json({name: values[0] for name, values in fields.items()} if job.is_vector else fields)
    texts: dict[str, list[bytes]] = {}
    for piece in pieces(*logits.shape):
        for name, values in _fields(logits[piece], job, piece).items():
            texts.setdefault(name, [b',"%s":[' % name.encode()]).extend((to_json(values)[1:-1], b","))
    parts = [part for rows in texts.values() for part in (*rows[:-1], b"]")]
    return b"".join([b"{", parts[0][1:], *parts[1:], b"}"])


def _fields(logits: Floats, job: SoftmaxJob, piece: slice) -> dict[str, Floats]:
    """Return the fields of some rows, `piece` of the job."""
    result = Softmax(logits, job.temperature)
    fields = {"probabilities": result.probabilities}
    if "log_probabilities" in job.include:
        fields["log_probabilities"] = result.log_probabilities
    if "loss" in job.include and job.targets is not None:
        fields["loss"] = result.loss(job.targets[piece])
    if "entropy" in job.include:
        fields["entropy"] = result.entropy
    if "sigmoid" in job.include:
        fields["sigmoid"] = sigmoid(logits)
    return fields


def decode_predict(body: bytes, manifest: Manifest, *, max_rows: int) -> PredictJob:
    """Return the job of a body of `POST …/predict`. Raises `InvalidBody` or `TooLarge`."""
    schema = PREDICT_TABLE if manifest.tensors else PREDICT_REQUESTS[manifest.depth]
    features, request = read_features(schema, body, manifest, max_rows=max_rows)
    top_k = request.get("top_k")
    if top_k is not None and top_k > (classes := len(manifest.labels)):
        raise invalid("less_than_equal", ["top_k"], f"Input should be at most {classes}, the number of classes")
    include = request.get("include", ())
    coverage_by = request.get("coverage_by", DEFAULT_COVERAGE_BY)
    if include:
        check_calibration(include, coverage_by, manifest)
    return PredictJob(features, manifest, include, top_k, request.get("coverage", DEFAULT_COVERAGE), coverage_by)


def check_calibration(include: Sequence[PredictInclude], coverage_by: CoverageBy, manifest: Manifest) -> None:
    """Raise `InvalidBody` for a field that needs a calibration which the model does not have."""
    calibration = manifest.calibration
    for index, field in enumerate(include):
        if field in NEED_CALIBRATION and calibration is None:
            raise invalid("not_calibrated", ["include", index], f"{field} needs {manifest.missing_calibration}")
    if calibration and calibration.by_label is None and coverage_by == "class" and "prediction_sets" in include:
        raise invalid("not_calibrated", ["coverage_by"], f"class needs {manifest.missing_scores}")


def encode_predict(outputs: Outputs, job: PredictJob) -> bytes:
    """Return the answer to `POST …/predict`, float32 digits that round-trip. Raises `OutputNotFinite`."""
    labels = job.manifest.labels_as_json
    best = b",".join([labels[index] for index in outputs.best])
    parts = [b'{%s,"labels":[%s],' % (job.manifest.names_as_json, best)]  # joined once: a large text has few copies
    if job.top_k is None:
        parts += (b'"probabilities":', outputs.json("probabilities"))
    else:
        parts += (b'"top":', top_as_json(outputs["probabilities"], job.top_k, labels))
    if "logits" in job.include:
        parts += (b',"logits":', outputs.json("logits"))
    if "log_probabilities" in job.include:
        parts += (b',"log_probabilities":', to_json(outputs.log_probabilities.astype(np.float32)))
    if calibration := job.manifest.calibration:
        if "prediction_sets" in job.include:
            highest, not_guaranteed = calibration.thresholds(job.coverage, job.coverage_by)
            parts += (b',"prediction_sets":', sets_as_json(outputs.log_probabilities, highest, labels))
            if job.coverage_by == "class":
                parts.append(b',"not_guaranteed":[%s]' % b",".join([labels[index] for index in not_guaranteed]))
        if "typicality" in job.include:
            parts += (b',"typicality":', to_json(calibration.typicality(outputs.atypicality)))
    if job.manifest.vocabularies:
        parts += unknown_as_json(job.features, job.manifest.vocabularies)
    return b"".join((*parts, b"}"))
