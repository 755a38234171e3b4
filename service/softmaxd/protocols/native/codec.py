"""Bodies of the native interface → checked jobs, and outputs → answers. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from softmaxd.http.operation import Job
from softmaxd.models.datatypes import invalid
from softmaxd.models.inputs import read_features, read_logits
from softmaxd.models.manifest import Calibration, Manifest
from softmaxd.models.outputs import Array, Features, Outputs, to_json
from softmaxd.numerics.softmax import FEW_CLASSES, Floats, Softmax, sigmoid, softmax_of_few
from softmaxd.numerics.trust import DEFAULT_COVERAGE
from softmaxd.protocols.native.schemas import (
    NEED_CALIBRATION,
    PREDICT_REQUEST,
    SOFTMAX_REQUEST,
    PredictInclude,
    Ranked,
    SoftmaxInclude,
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


def decode_softmax(body: bytes, *, max_rows: int) -> SoftmaxJob:
    """Return the job of a body of `POST /softmax`. Raises `InvalidBody` or `TooLarge`."""
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
    """Return the job of a body of `POST …/predict`. Raises `InvalidBody` or `TooLarge`."""
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
    """Return the answer to `POST …/predict`, float32 digits that round-trip. Raises `OutputNotFinite`."""
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
    """Return the prediction set of each row, the most probable label first; `labels` are JSON."""
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
