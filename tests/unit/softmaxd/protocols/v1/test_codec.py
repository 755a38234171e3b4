import json
from typing import Any

import numpy as np
import pytest

from softmaxd.errors import InvalidBody, TooLarge
from softmaxd.models.features import Feature
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Batch, Outputs
from softmaxd.protocols.v1.codec import decode_classify, decode_predict, encode_classify, encode_predict

MANIFEST = Manifest(
    name="zoo",
    version=7,
    sha256="0" * 64,
    labels=("dog", "cat"),
    features=(Feature(name="x1"), Feature(name="x2")),
)
OUTPUTS = Outputs(
    Batch({"logits": np.array([[1, 2], [4, 3]], np.float32), "probabilities": np.array([[0.25, 0.75], [0.5, 0.5]])}),
    0,
    2,
)
ROWS = [[1.0, 2.0], [3.0, 4.0]]


def predict(body: object, max_rows: int = 100) -> tuple[list[list[float]], Any]:  # Any: as it comes from JSON
    """Return the features that were read, and the answer."""
    job = decode_predict(json.dumps(body).encode(), MANIFEST, max_rows=max_rows)
    return job.features.tolist(), json.loads(encode_predict(OUTPUTS, job))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"instances": ROWS}, "predictions"),
        ({"instances": [{"features": row} for row in ROWS]}, "predictions"),
        ({"inputs": ROWS}, "outputs"),
        ({"inputs": {"features": ROWS}}, "outputs"),
    ],
)
def test_every_form_has_the_same_features_and_its_own_field_in_the_answer(body: object, field: str) -> None:
    assert predict(body) == (ROWS, {field: [[0.25, 0.75], [0.5, 0.5]]})


def test_a_large_body_is_read_as_a_small_one_is() -> None:
    rows = [[1.0, 2.0]] * 500

    assert predict({"instances": rows}, 500)[0] == rows
    assert predict({"inputs": rows}, 500)[0] == rows
    assert predict({"instances": [{"features": row} for row in rows]}, 500)[0] == rows
    assert predict({"inputs": {"features": rows}}, 500)[0] == rows


def test_a_very_large_body_may_name_the_input() -> None:
    rows = [[1.0, 2.0]] * 250_000

    assert predict({"instances": [{"features": row} for row in rows]}, 250_000)[0] == rows
    assert predict({"inputs": {"features": rows}}, 250_000)[0] == rows


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [{"features": row} for row in ROWS * 100] + ROWS},
        {"instances": [{"features": row} for row in ROWS * 100] + [{"x": [1, 2]}]},
        {"inputs": {"features": ROWS * 100, "x": ROWS}},
        {"inputs": [{"features": ROWS * 100}, {"features": ROWS * 100}]},
        {"inputs": {"x": {"features": ROWS * 100}}},
    ],
)
def test_in_a_large_body_the_name_counts_as_in_a_small_one(body: object) -> None:
    with pytest.raises(InvalidBody):
        predict(body, 1000)


def test_the_signature_chooses_the_output() -> None:
    assert predict({"instances": ROWS, "signature_name": "logits"})[1] == {"predictions": [[1, 2], [4, 3]]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Input should have either instances or inputs"),
        ({"instances": ROWS, "inputs": ROWS}, "Input should have either instances or inputs"),
        ({"instances": [{"x": [1, 2]}]}, "instances[0].x: The model's only input is features"),
        ({"inputs": {}}, "inputs.features: Field required"),
        ({"instances": []}, "instances: Input should have at least 1 row"),
        ({"inputs": {"features": [[1]]}}, "inputs.features[0]: Input should be 2 numbers (x1, x2), not 1"),
    ],
)
def test_a_body_that_is_neither_form_is_refused_with_its_place(body: object, message: str) -> None:
    with pytest.raises(InvalidBody) as refused:
        predict(body)

    assert refused.value.detail.startswith(message)


def test_more_rows_than_the_limit_are_refused() -> None:
    with pytest.raises(TooLarge):
        predict({"instances": ROWS}, max_rows=1)


def classify(**body: object) -> Any:  # Any: as above
    job = decode_classify(json.dumps(body).encode(), MANIFEST, max_rows=100)
    return json.loads(encode_classify(OUTPUTS, job))


def test_each_example_has_all_labels_with_their_scores() -> None:
    examples = [{"x1": 1.0, "x2": [2.0]}, {"x2": 4.0, "x1": 3.0}]

    assert classify(examples=examples) == {"results": [[["dog", 0.25], ["cat", 0.75]], [["dog", 0.5], ["cat", 0.5]]]}
    assert classify(examples=examples, signature_name="logits")["results"][1] == [["dog", 4.0], ["cat", 3.0]]


def test_a_context_is_refused_unless_it_is_empty() -> None:
    examples = [{"x1": 1.0, "x2": 2.0}] * 2

    assert len(classify(examples=examples, context={})["results"]) == 2
    with pytest.raises(InvalidBody, match="context: Input should be empty"):
        classify(examples=examples, context={"x1": 1.0})
