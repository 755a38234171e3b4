import pytest

from softmaxd.errors import InvalidBody
from softmaxd.models.calibration import Calibration, LabelCalibration
from softmaxd.models.manifest import Manifest
from softmaxd.protocols.v2.schemas import V2InferRequest, V2RequestedOutput, V2RequestParameters
from softmaxd.protocols.v2.wanted import ALL_AS_BYTES, ALL_AS_JSON, Wanted, check_calibration, wanted_outputs
from tests.support.manifests import manifest

SETS: V2RequestedOutput = {"name": "prediction_sets"}
BY_CLASS = Wanted("prediction_sets", is_binary=False, coverage_by="class")


def wanted(*outputs: V2RequestedOutput, **parameters: object) -> list[Wanted]:
    asked: V2RequestParameters = parameters  # type: ignore[assignment]
    request: V2InferRequest = {"inputs": [], "outputs": list(outputs), "parameters": asked}
    return list(wanted_outputs(request))


def calibrated(*, by_label: bool) -> Manifest:
    rows = (LabelCalibration(rows=1, scores=(0.5,)), LabelCalibration(rows=0, scores=()))
    calibration = Calibration(
        rows=1, temperature=1.0, scores=(0.5,), atypicality=(1.0,), by_label=rows if by_label else None
    )
    return manifest(name="zoo", calibration=calibration)


def test_without_outputs_logits_and_probabilities_come() -> None:
    assert wanted() == list(ALL_AS_JSON)
    assert wanted(binary_data_output=True) == list(ALL_AS_BYTES)


def test_an_output_overrides_the_parameters_of_the_request() -> None:
    own: V2RequestedOutput = {"name": "prediction_sets", "parameters": {"coverage": 0.5, "coverage_by": "marginal"}}
    typical: V2RequestedOutput = {"name": "typicality", "parameters": {"binary_data": False}}

    assert wanted(SETS) == [Wanted("prediction_sets", False, 0, 0.95, "marginal")]
    assert wanted(SETS, coverage=0.9, coverage_by="class") == [Wanted("prediction_sets", False, 0, 0.9, "class")]
    assert wanted(own, typical, coverage=0.9, coverage_by="class", binary_data_output=True) == [
        Wanted("prediction_sets", True, 0, 0.5, "marginal"),
        Wanted("typicality", False, 0, 0.9, "class"),
    ]
    assert wanted({"name": "prediction_sets", "parameters": {"coverage_by": None}}, coverage_by="class") == [
        Wanted("prediction_sets", False, 0, 0.95, "class")
    ]


def test_outputs_that_are_unknown_or_named_twice_are_refused() -> None:
    for outputs in ([{"name": "typical"}], [SETS, SETS]):
        with pytest.raises(InvalidBody, match="outputs should be among logits, "):
            wanted(*outputs)


def test_outputs_in_shared_memory_and_classes_of_other_outputs_are_refused() -> None:
    with pytest.raises(InvalidBody, match="outputs should not be in shared memory: there is none"):
        wanted({"name": "logits", "parameters": {"shared_memory_region": "region"}})
    with pytest.raises(InvalidBody, match="classification is of logits and probabilities, not of typicality"):
        wanted({"name": "typicality", "parameters": {"classification": 1}})


def test_outputs_that_the_calibration_data_do_not_give_are_refused() -> None:
    check_calibration([BY_CLASS], calibrated(by_label=True))
    check_calibration([Wanted("prediction_sets", False)], calibrated(by_label=False))
    check_calibration([Wanted("typicality", False, coverage_by="class")], calibrated(by_label=False))

    with pytest.raises(InvalidBody, match="coverage_by class needs calibration scores by label, which the manifest of"):
        check_calibration([BY_CLASS], calibrated(by_label=False))
    with pytest.raises(InvalidBody, match="prediction_sets need calibration data, which the manifest of zoo version 1"):
        check_calibration([BY_CLASS], manifest(name="zoo"))
