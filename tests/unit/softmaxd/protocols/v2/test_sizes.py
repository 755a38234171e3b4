import json
import struct
from typing import Any

import numpy as np
import orjson
import pytest

from softmaxd.errors import AnswerTooLarge
from softmaxd.models.answers import AnswerLimits
from softmaxd.models.calibration import Calibration, LabelCalibration
from softmaxd.models.outputs import Array, Batch, Outputs
from softmaxd.protocols.v2.codec import InferJob, decode_infer, encode_infer
from softmaxd.protocols.v2.sizes import check_infer
from tests.support.manifests import manifest

CALIBRATION = Calibration(
    rows=9,
    temperature=1.0,
    scores=(50.0,),
    atypicality=(1.0, 4.0),
    by_label=(LabelCalibration(rows=9, scores=(50.0,)), *[LabelCalibration(rows=0, scores=())] * 3),
)
LABELS = ('"' * 9, "a" * 200, "ä☃", "b")
ZOO = manifest(labels=LABELS, calibration=CALIBRATION)
ROWS = 3
LOWEST = float(np.finfo(np.float32).min)
OUTPUTS: dict[str, Array] = {
    "logits": np.array([[1.5, LOWEST, LOWEST, LOWEST]] * ROWS, np.float32),
    "probabilities": np.array([[0.1, 0.6, 0.2, 0.1]] * ROWS, np.float32),
    "atypicality": np.ones(ROWS, np.float32),
}
NAMES = ("logits", "probabilities", "atypicality", "typicality", "prediction_sets")


class Recorded(AnswerLimits):
    """Limits that every answer exceeds enough to be counted, and none enough to be refused."""

    least = 0
    counted: tuple[int, int, int]

    def check(self, rows: int, *, numbers: int, size: int = 0) -> None:
        self.counted = (rows, numbers, size)


def job_of(outputs: list[dict[str, Any]]) -> InferJob:
    tensor = {"name": "features", "shape": [ROWS, 2], "datatype": "FP32", "data": [0] * 2 * ROWS}
    body = json.dumps({"inputs": [tensor], "outputs": outputs}).encode()
    return decode_infer(body, [], ZOO, max_rows=100, max_bytes=10_000)


@pytest.mark.parametrize("is_binary", [False, True])
@pytest.mark.parametrize(
    ("name", "classes"), [*((name, 0) for name in NAMES), ("logits", 4), ("logits", 9), ("probabilities", 2)]
)
def test_the_size_of_an_answer_is_known_before(name: str, classes: int, is_binary: bool) -> None:
    parameters = {"binary_data": is_binary, **({"classification": classes} if classes else {})}
    job = job_of([{"name": name, "parameters": parameters}])
    limits = Recorded(numbers=1, size=1)

    check_infer(limits, job)
    reply = encode_infer(Outputs(Batch(OUTPUTS), 0, ROWS), job)

    rows, numbers, size = limits.counted
    length = int(dict(reply.headers).get(b"inference-header-content-length", len(reply.body)))
    found = json.loads(reply.body[:length])["outputs"][0].get("data", [])
    texts = b"".join(orjson.dumps(item) + b"," for item in found if isinstance(item, str))
    assert rows == ROWS
    assert len(found) <= rows * numbers
    assert len(found) == rows * numbers or classes or is_binary
    assert len(reply.body) - length + len(texts) <= rows * size
    assert max(numbers, size) <= ZOO.answer_bytes


@pytest.mark.parametrize("is_binary", [False, True])
def test_the_labels_without_a_guarantee_count_too(is_binary: bool) -> None:
    job = job_of([{"name": "prediction_sets", "parameters": {"coverage_by": "class", "binary_data": is_binary}}])
    limits = Recorded(numbers=1, size=1)

    check_infer(limits, job)
    reply = encode_infer(Outputs(Batch(OUTPUTS), 0, ROWS), job)

    _, numbers, size = limits.counted
    length = int(dict(reply.headers).get(b"inference-header-content-length", len(reply.body)))
    named = json.loads(reply.body[:length])["outputs"][0]["parameters"]["not_guaranteed"]
    assert named == ":".join(LABELS)  # 95 % needs 19 rows
    assert len(orjson.dumps(named)) + (len(LABELS) * is_binary) <= size
    assert max(numbers, size) <= ZOO.answer_bytes


def test_outputs_count_together_and_binary_ones_in_bytes() -> None:
    binary = {"binary_data": True}
    numbers = job_of([{"name": "logits"}, {"name": "probabilities"}])
    tensors = job_of([{"name": "logits", "parameters": binary}, {"name": "probabilities", "parameters": binary}])

    with pytest.raises(AnswerTooLarge, match=r"24 numbers.* max_answer_numbers; .* 2$"):
        check_infer(AnswerLimits(numbers=23, size=10**6), numbers)
    with pytest.raises(AnswerTooLarge, match=r"96 bytes .* max_answer_bytes; .* 2$"):
        check_infer(AnswerLimits(numbers=1, size=95), tensors)
    check_infer(AnswerLimits(numbers=1, size=96), tensors)


def test_the_model_computes_every_class_also_for_a_small_answer() -> None:
    with pytest.raises(AnswerTooLarge, match=r"48 bytes .* max_answer_bytes; .* 2$"):
        check_infer(AnswerLimits(numbers=100, size=47), job_of([{"name": "typicality"}]))


def test_an_answer_that_fits_in_any_form_is_not_counted() -> None:
    limits = Recorded(numbers=1, size=1)
    limits.least = ROWS * ZOO.answer_bytes

    check_infer(limits, job_of([]))

    assert not hasattr(limits, "counted")


def test_the_longest_float32_has_as_many_characters_as_are_counted() -> None:
    assert len(f"{struct.unpack('f', struct.pack('f', LOWEST))[0]:f}") == len(f"{-3e38:f}")
