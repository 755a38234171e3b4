"""Prediction sets and typicality, natively and over `/v2`, of a model whose answers can be worked out by hand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from softmaxd.models.calibration import Calibration, LabelCalibration
from tests.support.onnx_models import linear, publish, with_atypicality
from tests.support.server import Server

# Logits are [x1 − x2, 0.5·x1 + 0.25·x2, −0.5·x1 + 2·x2], atypicality is x1² + x2².
ROWS = [[4.0, 0.0], [0.0, 0.0], [1e25, 0.0]]
CALIBRATION = Calibration(
    rows=9,
    temperature=2.0,
    scores=(0.1, 0.2, 0.3, 0.4, 0.5, 1.0, 1.2, 1.5, 2.5),
    atypicality=tuple(range(1, 10)),
    by_label=(
        LabelCalibration(rows=4, scores=(0.1, 0.2, 0.3, 0.4)),
        LabelCalibration(rows=4, scores=(0.5, 1.0, 1.2, 1.5)),
        LabelCalibration(rows=1, scores=(2.5,)),
    ),
)
OLDER = CALIBRATION.model_copy(update={"by_label": None})  # as earlier versions of softmaxd wrote it


@pytest.fixture(scope="module", params=["on", "off"], ids="express={}".format)
def trusting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    models: Path = tmp_path_factory.mktemp("models")
    publish(models, 1, linear().SerializeToString(), name="plain")
    publish(models, 1, with_atypicality(linear()).SerializeToString(), name="blobs", calibration=CALIBRATION)
    publish(models, 1, with_atypicality(linear()).SerializeToString(), name="older", calibration=OLDER)
    server = Server(environment={"SOFTMAXD_MODELS_DIR": str(models), "SOFTMAXD_EXPRESS": request.param})
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client
    assert server.stop() == 0
    assert not [line for line in server.messages() if line["level"] in {"ERROR", "CRITICAL"}]


def predict(client: httpx.Client, **fields: object) -> Any:
    response = client.post("/predict", json={"instances": ROWS, **fields})
    assert response.status_code == 200, response.text
    return response.json()


# For x = (4, 0) −ln p is 0.13, 2.13 and 6.13; for (0, 0) it is ln 3 = 1.0986 thrice.
@pytest.mark.parametrize(
    ("coverage", "sets"),
    [
        ({"coverage": 0.05}, [[], [], ["a"]]),
        ({"coverage": 0.1}, [[], [], ["a"]]),
        ({"coverage": 0.2}, [["a"], [], ["a"]]),
        ({"coverage": 0.7}, [["a"], ["a", "b", "c"], ["a"]]),
        ({"coverage": 0.9}, [["a", "b"], ["a", "b", "c"], ["a"]]),
        ({}, [["a", "b", "c"]] * 3),
    ],
)
def test_a_prediction_set_has_the_labels_that_the_coverage_needs(
    trusting: httpx.Client, coverage: dict[str, float], sets: list[list[str]]
) -> None:
    answer = predict(trusting, include=["prediction_sets"], **coverage)

    assert answer["prediction_sets"] == sets
    assert list(answer) == ["model", "version", "labels", "probabilities", "prediction_sets"]


def test_a_set_has_its_most_probable_label_first(trusting: httpx.Client) -> None:
    body = {"instances": [[-1.0, 1.0]], "include": ["prediction_sets"], "coverage": 0.95}

    assert trusting.post("/predict", json=body).json()["prediction_sets"] == [["c", "b", "a"]]


# By class, the thresholds for 80 % are 0.4 for a, 1.5 for b, and for c, which has one row of four, the marginal 1.5.
@pytest.mark.parametrize(
    ("coverage", "sets", "not_guaranteed"),
    [
        (0.5, [["a"], ["b", "c"], ["a"]], []),
        (0.8, [["a"], ["b", "c"], ["a"]], ["c"]),
        (0.85, [["a", "b"], ["a", "b", "c"], ["a"]], ["a", "b", "c"]),
    ],
)
def test_coverage_by_class_compares_each_label_with_its_own_rows(
    trusting: httpx.Client, coverage: float, sets: list[list[str]], not_guaranteed: list[str]
) -> None:
    answer = predict(trusting, include=["prediction_sets"], coverage=coverage, coverage_by="class")

    assert (answer["prediction_sets"], answer["not_guaranteed"]) == (sets, not_guaranteed)
    assert "not_guaranteed" not in predict(trusting, include=["prediction_sets"], coverage=coverage)


@pytest.mark.parametrize("coverage_by", ["label", None, 1])
def test_coverage_is_marginal_or_by_class(trusting: httpx.Client, coverage_by: object) -> None:
    body = {"instances": ROWS, "include": ["prediction_sets"], "coverage_by": coverage_by}

    response = trusting.post("/predict", json=body)

    (problem,) = response.json()["detail"]
    assert (response.status_code, problem["type"], problem["loc"]) == (422, "literal_error", ["coverage_by"])


def test_an_older_manifest_gives_marginal_sets_and_refuses_coverage_by_class(trusting: httpx.Client) -> None:
    body = {"instances": ROWS, "include": ["prediction_sets"], "coverage": 0.8}

    marginal = trusting.post("/models/older/predict", json=body)
    by_class = trusting.post("/models/older/predict", json={**body, "coverage_by": "class"})

    assert marginal.json()["prediction_sets"] == [["a"], ["a", "b", "c"], ["a"]]
    assert (by_class.status_code, by_class.json()["detail"]) == (
        422,
        [
            {
                "type": "not_calibrated",
                "loc": ["coverage_by"],
                "msg": "class needs calibration scores by label, which the manifest of older version 1 does not have",
            }
        ],
    )


def test_typicality_is_a_rank_among_the_calibration_rows(trusting: httpx.Client) -> None:
    answer = predict(trusting, include=["typicality", "logits"], top_k=1)

    assert answer["typicality"] == [0.1, 1.0, 0.1]  # atypicality 16, 0, and more than float32 holds, against 1 … 9
    assert list(answer) == ["model", "version", "labels", "top", "logits", "typicality"]
    rows = [[x, 0.0] for x in (1.0, 1.5, 2.0, 3.0)]
    body = {"instances": rows, "include": ["typicality"]}
    assert trusting.post("/predict", json=body).json()["typicality"] == [1.0, 0.8, 0.7, 0.2]


@pytest.mark.parametrize("field", ["prediction_sets", "typicality"])
def test_a_model_without_calibration_data_names_the_missing_data(trusting: httpx.Client, field: str) -> None:
    body = {"instances": ROWS, "include": ["logits", field]}

    response = trusting.post("/models/plain/predict", json=body)

    (problem,) = response.json()["detail"]
    assert (response.status_code, problem["type"], problem["loc"]) == (422, "not_calibrated", ["include", 1])
    message = f"{field} needs calibration data, which the manifest of plain version 1 does not have"
    assert problem["msg"] == message
    assert trusting.post("/models/plain/predict", json={**body, "include": ["logits"]}).status_code == 200


@pytest.mark.parametrize(
    ("coverage", "error"),
    [(0, "greater_than"), (1, "less_than"), (-0.5, "greater_than"), ("0.9", "float_type"), (None, "float_type")],
)
def test_a_coverage_is_a_number_between_0_and_1(trusting: httpx.Client, coverage: object, error: str) -> None:
    body = {"instances": ROWS, "include": ["prediction_sets"], "coverage": coverage}

    response = trusting.post("/predict", json=body)

    (problem,) = response.json()["detail"]
    assert (response.status_code, problem["type"], problem["loc"]) == (422, error, ["coverage"])


def test_the_model_tells_how_it_was_calibrated(trusting: httpx.Client) -> None:
    assert trusting.get("/models/blobs").json()["calibration"] == {
        "rows": 9,
        "temperature": 2.0,
        "most_coverage": 0.9,
        "rows_by_label": [4, 4, 1],
    }
    assert trusting.get("/models/older").json()["calibration"]["rows_by_label"] is None
    assert trusting.get("/models/plain").json()["calibration"] is None


def infer(client: httpx.Client, outputs: object, *, name: str = "blobs", **fields: object) -> httpx.Response:
    features = {"name": "features", "datatype": "FP32", "shape": [len(ROWS), 2], "data": ROWS}
    return client.post(f"/v2/models/{name}/infer", json={"inputs": [features], "outputs": outputs, **fields})


def test_v2_gives_the_same_as_tensors(trusting: httpx.Client) -> None:
    names = ("probabilities", "atypicality", "typicality", "prediction_sets")

    answer = infer(trusting, [{"name": name} for name in names]).json()

    by_name = {output["name"]: output for output in answer["outputs"]}
    assert tuple(by_name) == names
    far = np.array(3e38, dtype=np.float32).item()
    assert by_name["atypicality"]["datatype"] == "FP32"
    assert np.array(by_name["atypicality"]["data"], dtype=np.float32).tolist() == [16.0, 0.0, far]
    assert (by_name["atypicality"]["shape"], by_name["typicality"]["shape"]) == ([3], [3])
    assert (by_name["typicality"]["datatype"], by_name["typicality"]["data"]) == ("FP64", [0.1, 1.0, 0.1])
    assert (by_name["prediction_sets"]["datatype"], by_name["prediction_sets"]["shape"]) == ("BOOL", [3, 3])
    assert by_name["prediction_sets"]["data"] == [True] * 9  # 95 % is more than 9 rows can tell


def test_v2_takes_the_coverage_as_a_parameter_of_the_output(trusting: httpx.Client) -> None:
    def sets(parameters: object) -> Any:
        return infer(trusting, [{"name": "prediction_sets", "parameters": parameters}]).json()["outputs"][0]["data"]

    assert sets({"coverage": 0.9}) == [True, True, False, True, True, True, True, False, False]
    assert sets({"coverage": 0.2}) == [True, False, False, False, False, False, True, False, False]
    assert sets({"coverage": None}) == sets({}) == sets(None) == [True] * 9


def test_v2_takes_the_coverage_as_a_parameter_of_the_request_too(trusting: httpx.Client) -> None:
    def sets(coverage: object, **output: object) -> Any:
        wanted = [{"name": "prediction_sets", **output}]
        return infer(trusting, wanted, parameters={"coverage": coverage}).json()["outputs"][0]["data"]

    assert sets(0.9) == [True, True, False, True, True, True, True, False, False]
    assert sets(0.9, parameters={"coverage": 0.2}) == [True, False, False, False, False, False, True, False, False]
    assert sets(None) == [True] * 9


@pytest.mark.parametrize("place", ["request", "output"])
def test_v2_takes_coverage_by_class_as_a_parameter_and_names_labels_without_a_guarantee(
    trusting: httpx.Client, place: str
) -> None:
    def sets(**parameters: object) -> tuple[list[bool], object]:
        of_output, of_request = (parameters, None) if place == "output" else (None, parameters)
        wanted = {"name": "prediction_sets", "parameters": of_output}
        output = infer(trusting, [wanted], parameters=of_request).json()["outputs"][0]
        return output["data"], output.get("parameters")

    assert sets(coverage=0.8) == ([True, False, False, True, True, True, True, False, False], None)
    by_class = [True, False, False, False, True, True, True, False, False]
    assert sets(coverage=0.8, coverage_by="class") == (by_class, {"not_guaranteed": "c"})
    assert sets(coverage=0.5, coverage_by="class") == (by_class, {"not_guaranteed": ""})
    assert sets(coverage=0.85, coverage_by="class")[1] == {"not_guaranteed": "a:b:c"}


def test_v2_gives_sets_by_class_as_bytes_too(trusting: httpx.Client) -> None:
    parameters = {"coverage": 0.8, "coverage_by": "class", "binary_data": True}

    response = infer(trusting, [{"name": "prediction_sets", "parameters": parameters}])

    length = int(response.headers["inference-header-content-length"])
    (output,) = json.loads(response.content[:length])["outputs"]
    assert output["parameters"] == {"not_guaranteed": "c", "binary_data_size": 9}
    assert response.content[length:] == bytes([1, 0, 0, 0, 1, 1, 1, 0, 0])


def test_v2_gives_them_as_bytes_too(trusting: httpx.Client) -> None:
    wanted = [
        {"name": "typicality"},
        {"name": "prediction_sets", "parameters": {"coverage": 0.9}},
        {"name": "atypicality"},
    ]

    response = infer(trusting, wanted, parameters={"binary_data_output": True})

    length = int(response.headers["inference-header-content-length"])
    raw = response.content[length:]
    assert np.frombuffer(raw[:24], "<f8").tolist() == [0.1, 1.0, 0.1]
    assert raw[24:33] == bytes([1, 1, 0, 1, 1, 1, 1, 0, 0])
    assert np.frombuffer(raw[33:], "<f4").tolist() == [16.0, 0.0, np.float32(3e38)]


@pytest.mark.parametrize(
    ("name", "output", "message"),
    [
        ("plain", {"name": "typicality"}, "which the manifest of plain version 1 does not have"),
        ("blobs", {"name": "typicality", "parameters": {"classification": 1}}, "classification is of logits and"),
        ("blobs", {"name": "prediction_sets", "parameters": {"coverage": 1.0}}, "less than 1"),
        ("blobs", {"name": "prediction_sets", "parameters": {"coverage_by": "label"}}, "'marginal' or 'class'"),
        (
            "older",
            {"name": "prediction_sets", "parameters": {"coverage_by": "class"}},
            "coverage_by class needs calibration scores by label, which the manifest of older version 1 does not have",
        ),
        ("blobs", {"name": "typical"}, "outputs should be among logits, probabilities, atypicality, typicality"),
    ],
)
def test_v2_refuses_outputs_that_the_model_cannot_give(
    trusting: httpx.Client, name: str, output: object, message: str
) -> None:
    response = infer(trusting, [output], name=name)

    assert response.status_code == 400
    assert message in response.json()["error"]


def test_v2_gives_logits_and_probabilities_unasked(trusting: httpx.Client) -> None:
    assert [output["name"] for output in infer(trusting, None).json()["outputs"]] == ["logits", "probabilities"]
