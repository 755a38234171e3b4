"""The outputs that a request of `/v2` names, each in the form that the client wants. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

from softmaxd.errors import InvalidBody
from softmaxd.models.calibration import DEFAULT_COVERAGE_BY, CoverageBy
from softmaxd.models.manifest import OUTPUTS, Manifest
from softmaxd.numerics.trust import DEFAULT_COVERAGE
from softmaxd.protocols.v2.schemas import TRUST_OUTPUTS, V2InferRequest, V2RequestedOutput
from softmaxd.protocols.v2.tensors import invalid_tensor


@dataclass(slots=True)
class Wanted:
    """An output in the form that the client wants; with `classes`, the names of so many instead of all numbers."""

    name: str
    is_binary: bool
    classes: int = 0
    coverage: float = DEFAULT_COVERAGE
    coverage_by: CoverageBy = DEFAULT_COVERAGE_BY


ALL_AS_JSON = tuple(Wanted(name, is_binary=False) for name in OUTPUTS)
ALL_AS_BYTES = tuple(Wanted(name, is_binary=True) for name in OUTPUTS)


def wanted_outputs(request: V2InferRequest) -> Sequence[Wanted]:
    """Return the outputs of the answer. Raises `InvalidBody`."""
    parameters = request.get("parameters") or {}
    is_binary = bool(parameters.get("binary_data_output"))
    outputs = request.get("outputs")
    if not outputs:
        return ALL_AS_BYTES if is_binary else ALL_AS_JSON
    coverage = parameters.get("coverage") or DEFAULT_COVERAGE
    coverage_by = parameters.get("coverage_by") or DEFAULT_COVERAGE_BY
    if len(outputs) == 1:
        return (_as_wanted(outputs[0], is_binary, coverage, coverage_by),)
    if len({output["name"] for output in outputs}) < len(outputs):
        raise _unknown_outputs()
    return [_as_wanted(output, is_binary, coverage, coverage_by) for output in outputs]


def _as_wanted(output: V2RequestedOutput, is_binary: bool, coverage: float, coverage_by: CoverageBy) -> Wanted:
    name = output["name"]
    if name not in OUTPUTS and name not in TRUST_OUTPUTS:
        raise _unknown_outputs()
    parameters = output.get("parameters")
    if not parameters:
        return Wanted(name, is_binary, 0, coverage, coverage_by)
    if parameters.get("shared_memory_region") is not None:
        raise invalid_tensor("outputs should not be in shared memory: there is none")
    own = parameters.get("binary_data")
    classes = parameters.get("classification") or 0
    if classes and name not in OUTPUTS:
        raise invalid_tensor(f"classification is of {' and '.join(OUTPUTS)}, not of {name}")
    coverage = parameters.get("coverage") or coverage
    coverage_by = parameters.get("coverage_by") or coverage_by
    return Wanted(name, is_binary if own is None else own, classes, coverage, coverage_by)


def _unknown_outputs() -> InvalidBody:
    return invalid_tensor(f"outputs should be among {', '.join((*OUTPUTS, *TRUST_OUTPUTS))}, each once")


def check_calibration(wanted: Sequence[Wanted], manifest: Manifest) -> None:
    """Refuse outputs that need calibration data of a model that does not have it. Raises `InvalidBody`."""
    calibration = manifest.calibration
    if calibration is None:
        raise invalid_tensor(f"{', '.join(TRUST_OUTPUTS)} need {manifest.missing_calibration}")
    by_class = any(output.name == "prediction_sets" and output.coverage_by == "class" for output in wanted)
    if by_class and calibration.by_label is None:
        raise invalid_tensor(f"coverage_by class needs {manifest.missing_scores}")
