import json
from itertools import combinations

import numpy as np
import orjson
import pytest

from softmaxd.errors import AnswerTooLarge, TooLarge
from softmaxd.models.answers import AnswerLimits
from softmaxd.models.calibration import Calibration, LabelCalibration
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Batch, Outputs
from softmaxd.protocols.native.codec import PredictJob, decode_predict, encode_predict
from softmaxd.protocols.native.schemas import SoftmaxRequest
from softmaxd.protocols.native.sizes import check_predict, check_softmax
from tests.support.limits import NO_LIMITS
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
FIELDS = ("logits", "log_probabilities", "prediction_sets", "typicality")


INCLUDES = [include for size in range(5) for include in combinations(FIELDS, size)]


class Recorded(AnswerLimits):
    """Limits that every answer exceeds enough to be counted, and none enough to be refused."""

    least = 0
    counted: tuple[int, int, int]

    def check(self, rows: int, *, numbers: int, size: int = 0) -> None:
        self.counted = (rows, numbers, size)


def job_of(manifest: Manifest, rows: int, **fields: object) -> PredictJob:
    body = json.dumps({"instances": [[0, 0]] * rows, **fields}).encode()
    return decode_predict(body, manifest, max_rows=100)


def count(value: object) -> tuple[int, int]:
    """Return how many numbers a JSON value has, and the bytes of its texts, each with a comma."""
    match value:
        case dict() | list():
            counts = [count(item) for item in (value.values() if isinstance(value, dict) else value)]
            return sum(numbers for numbers, _ in counts), sum(size for _, size in counts)
        case str():
            return 0, len(orjson.dumps(value)) + 1
        case _:
            return 1, 0


@pytest.mark.parametrize("include", INCLUDES, ids="+".join)
@pytest.mark.parametrize("top_k", [None, 1, 4])
@pytest.mark.parametrize("coverage_by", ["marginal", "class"])
@pytest.mark.parametrize("rows", [1, ROWS])
def test_the_size_of_a_prediction_is_known_before(
    include: tuple[str, ...], top_k: int | None, coverage_by: str, rows: int
) -> None:
    fields = {} if top_k is None else {"top_k": top_k}
    job = job_of(ZOO, rows, include=include, coverage_by=coverage_by, **fields)
    values = np.log(np.array([[0.1, 0.6, 0.2, 0.1]] * rows, np.float32))
    outputs = {"logits": values, "probabilities": np.exp(values), "atypicality": np.ones(rows, np.float32)}
    limits = Recorded(numbers=1, size=1)

    check_predict(limits, job)
    answer = json.loads(encode_predict(Outputs(Batch(outputs), 0, rows), job))

    numbers, size = count({name: value for name, value in answer.items() if name not in {"model", "version"}})
    counted, numbers_of_a_row, size_of_a_row = limits.counted
    assert counted == rows
    if top_k is None and "prediction_sets" not in include:
        assert numbers == rows * numbers_of_a_row
    assert numbers <= rows * numbers_of_a_row
    assert size <= rows * size_of_a_row
    assert max(numbers_of_a_row, size_of_a_row) <= ZOO.answer_bytes


def test_all_classes_count_also_when_a_few_are_asked_for() -> None:
    with pytest.raises(AnswerTooLarge, match=r"12 numbers.* max_answer_numbers; .* 2$"):
        check_predict(AnswerLimits(numbers=11, size=10**6), job_of(ZOO, 3, top_k=1))


def test_long_labels_count_in_bytes() -> None:
    long = manifest(labels=("a" * 200, "b"))

    with pytest.raises(AnswerTooLarge, match=r"609 bytes of labels .* max_answer_bytes; .* 2$"):
        check_predict(AnswerLimits(numbers=10**6, size=608), job_of(long, 3))
    check_predict(AnswerLimits(numbers=6, size=609), job_of(long, 3))


def test_names_of_features_with_unknown_texts_count_in_bytes() -> None:
    job = {"name": "job" * 60, "input": "job", "datatype": "BYTES", "categories": ["clerk"]}
    body = json.dumps({"instances": [["cook"]] * 3}).encode()
    found = decode_predict(body, manifest(features=[job]), max_rows=100)

    with pytest.raises(AnswerTooLarge, match=r"561 bytes of labels .* max_answer_bytes; .* 2$"):
        check_predict(AnswerLimits(numbers=10**6, size=560), found)
    check_predict(AnswerLimits(numbers=6, size=561), found)


def test_an_answer_that_fits_in_any_form_is_not_counted() -> None:
    limits = Recorded(numbers=1, size=1)
    limits.least = ROWS * ZOO.answer_bytes

    check_predict(limits, job_of(ZOO, ROWS))

    assert not hasattr(limits, "counted")


@pytest.mark.parametrize(
    ("include", "most"),
    [
        ([], 3),
        (["log_probabilities", "log_probabilities"], 1),
        (["sigmoid", "log_probabilities", "entropy", "loss"], 0),
    ],
)
def test_the_fields_of_softmax_share_the_limit(include: list[str], most: int) -> None:
    request: SoftmaxRequest = {"logits": [], "include": include}  # type: ignore[typeddict-item] # a list of literals
    limits = AnswerLimits(numbers=10, size=1)

    with pytest.raises(AnswerTooLarge, match=f"max_answer_numbers; .* {most}$"):
        check_softmax(limits, 100, most + 1, 3, request)
    check_softmax(limits, 100, most, 3, request)


def test_too_many_rows_of_logits_are_refused() -> None:
    with pytest.raises(TooLarge, match="3 rows are more than the 2"):
        check_softmax(NO_LIMITS, 2, 3, 1, {"logits": []})
