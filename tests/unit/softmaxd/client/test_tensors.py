import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from softmaxd.client.answers import Model, model_of
from softmaxd.client.errors import InvalidRequest
from softmaxd.client.steps import Reply
from softmaxd.client.tensors import HEADER, features_of, outputs_for, outputs_of, prediction_of, request_of


def model(datatype: str = "FP32", column: str | None = None, names: Sequence[str] = ("x1",)) -> Model:
    features = [{"name": name, "datatype": column} for name in names]
    return model_of({"name": "m", "version": "1", "state": "ready", "features": features, "datatype": datatype})


@pytest.mark.parametrize(
    ("values", "datatype", "expected"),
    [
        ([[0.1, 2]], "FP32", np.array([[0.1, 2]], dtype=np.float32)),
        ([[0.1, 2]], "FP64", np.array([[0.1, 2]])),
        ([[1.0, 2]], "INT8", np.array([[1, 2]], dtype=np.int8)),
        (np.array([[2**63 + 1]], dtype=np.uint64), "UINT64", np.array([[2**63 + 1]], dtype=np.uint64)),
        ([[1e39, 1]], "FP32", np.array([[np.inf, 1]], dtype=np.float32)),
        (np.ma.array([[1, 2]], mask=False), "FP32", np.array([[1, 2]], dtype=np.float32)),
        (pd.DataFrame({"x1": [0.5, 3]}), "FP32", np.array([[0.5], [3]], dtype=np.float32)),
        ({"x1": np.array([2**63 + 1], dtype=np.uint64)}, "UINT64", np.array([[2**63 + 1]], dtype=np.uint64)),
    ],
)
def test_features_get_the_type_of_the_model(values: Any, datatype: str, expected: np.ndarray[Any, Any]) -> None:
    features = features_of(values, model(datatype))

    assert features.dtype == expected.dtype
    np.testing.assert_array_equal(features, expected)


def test_columns_are_features_by_name() -> None:
    described = model(names=("x1", "x2", "x3"))

    for table in (pd.DataFrame({"x3": [3], "x1": [1.5], "x2": [2]}), {"x2": [2], "x3": (3,), "x1": np.array([1.5])}):
        assert features_of(table, described).tolist() == [[1.5, 2, 3]]


@pytest.mark.parametrize(
    ("values", "given", "message"),
    [
        ([[1.5]], model("INT8"), r"^Model m takes INT8, and not all features are such numbers$"),
        ([[300]], model("UINT8"), r"^Model m takes UINT8"),
        ([[np.nan]], model("INT64"), r"^Model m takes INT64"),
        ([1.0, 2.0], model(), r"^features must be rows of numbers, not an array of the shape \(2,\)$"),
        ([[1, 2], [3]], model(), r"^features must be rows of the same length: "),
        ([["a"]], model(), r"^features must be numbers, not <U1$"),
        (np.ma.masked_equal([[1, 2]], 2), model(), r"^features must be numbers, and some are masked$"),
        ({"x1": np.ma.masked_equal([1], 1)}, model(), r"^column x1 must be numbers, and some are masked$"),
        ({"x1": [True]}, model(), r"^column x1 must be numbers, not bool$"),
        ({"x1": [1], "x2": [1, 2]}, model(names=("x1", "x2")), r"^features must be rows of the same length: "),
        ({"y": [1], "x": [2]}, model(), r"^The columns must be the features; missing: x1; not one: x, y$"),
        ({}, model(), r"^The columns must be the features; missing: x1; not one: none$"),
        (pd.DataFrame([[1, 2]], columns=["x1", "x1"]), model(), r"^Each column must have a name .* given twice: x1$"),
        ([[1]], model(column="INT64"), r"^Model m is of a table, .*: use predict$"),
    ],
)
def test_features_that_the_model_does_not_take_are_refused(values: Any, given: Model, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        features_of(values, given)


def test_few_numbers_are_sent_as_json() -> None:
    request = request_of(
        "/v2/models/m/infer", np.array([[0.5, 2], [3, 4]]), "FP64", ["probabilities"], {"coverage": 0.9}
    )

    assert json.loads(request.content) == {
        "inputs": [{"name": "features", "shape": [2, 2], "datatype": "FP64", "data": [0.5, 2, 3, 4]}],
        "outputs": [{"name": "probabilities"}],
        "parameters": {"coverage": 0.9},
    }


def test_many_numbers_are_sent_as_bytes() -> None:
    features = np.arange(1_000, dtype="<f4").reshape(500, 2)

    request = request_of("/v2/models/m/infer", features, "FP32", ["probabilities"], {})

    length = int(request.headers[HEADER])
    head = json.loads(request.content[:length])
    (tensor,) = head["inputs"]
    assert head["parameters"] == {"binary_data_output": True}
    assert (tensor["shape"], tensor["parameters"]) == ([500, 2], {"binary_data_size": 4_000})
    assert request.content[length:] == features.tobytes()


def test_outputs_come_from_json_and_from_bytes() -> None:
    head = {
        "model_version": "2",
        "outputs": [
            {"name": "logits", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}},
            {"name": "typicality", "datatype": "FP64", "shape": [1], "data": [0.5]},
            {"name": "probabilities", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}},
        ],
    }
    text = json.dumps(head).encode()
    content = text + np.array([1, 2, 0.25, 0.75], dtype="<f4").tobytes()

    version, arrays = outputs_of(Reply(200, {HEADER.lower(): str(len(text))}, content))

    assert version == "2"
    assert arrays["logits"].tolist() == [[1, 2]]
    assert arrays["typicality"].tolist() == [0.5]
    assert arrays["probabilities"].tolist() == [[0.25, 0.75]]


@pytest.mark.parametrize(
    ("include", "outputs"),
    [
        ([], ["probabilities"]),
        (["typicality"], ["probabilities", "typicality"]),
        (["log_probabilities"], ["probabilities", "logits"]),
        (["prediction_sets", "logits"], ["probabilities", "logits", "prediction_sets"]),
    ],
)
def test_only_outputs_that_the_answer_needs_are_asked_for(include: list[str], outputs: list[str]) -> None:
    assert outputs_for(include) == outputs


@pytest.mark.parametrize(("text", "labels"), [("", []), ("a", ["a"]), ("a:b", ["a", "b"])])
def test_labels_without_a_guarantee_come_with_the_sets(text: str, labels: list[str]) -> None:
    output = {"datatype": "BOOL", "shape": [1, 2], "data": [True, False], "parameters": {"not_guaranteed": text}}
    answer = {"model_version": "1", "outputs": [{"name": "prediction_sets", **output}]}

    _, arrays = outputs_of(Reply(200, {}, json.dumps(answer).encode()))

    assert arrays["not_guaranteed"] == labels
    assert arrays["prediction_sets"].tolist() == [[True, False]]


def test_in_a_tie_top_labels_and_sets_have_the_models_order() -> None:
    logits = np.array([[1, 2, 2, 0]], dtype=np.float32)
    outputs = {
        "probabilities": np.array([[0.2, 0.35, 0.35, 0.1]], dtype=np.float32),
        "logits": logits,
        "prediction_sets": np.array([[True, True, True, False]]),
    }

    found = prediction_of("m", "1", outputs, ["a", "b", "c", "d"], ["prediction_sets"], top_k=3)

    assert found.top == [[("b", 0.35), ("c", 0.35), ("a", 0.2)]]
    assert found.prediction_sets == [["b", "c", "a"]]
    assert set(found.fields) == {"top", "prediction_sets"}


def test_the_logarithm_of_a_probability_close_to_1_keeps_its_digits() -> None:
    outputs = {
        "probabilities": np.array([[1, 0], [0.5, 0.5]], dtype=np.float32),
        "logits": np.array([[40, 0], [3e38, 3e38]], dtype=np.float32),
    }

    found = prediction_of("m", "1", outputs, ["a", "b"], ["log_probabilities"])

    assert set(found.fields) == {"probabilities", "log_probabilities"}
    np.testing.assert_allclose(found.log_probabilities, [[-np.exp(-40), -40], [-np.log(2)] * 2], rtol=1e-7)


def test_a_tie_has_the_first_label() -> None:
    arrays = {"probabilities": np.array([[0.4, 0.4, 0.2], [0.1, 0.1, 0.8]], dtype=np.float32)}

    assert prediction_of("m", "1", arrays, ["a", "b", "c"]).labels.tolist() == ["a", "c"]
