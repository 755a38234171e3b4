"""Logits and probabilities are told apart by their numbers."""

from collections.abc import Sequence

import numpy as np
import pytest

from softmaxd.adding.graphs import Heads
from softmaxd.adding.heads import are_scores, find_heads
from softmaxd.adding.running import Outputs, Values
from softmaxd.errors import Refused

LOGITS = np.array([[1, 2, 3], [0, -5, 0.5], [4, 0, 0]], dtype=np.float32)


def softmax(logits: Values) -> Values:
    exponents = np.exp(logits)
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))


def find(outputs: Outputs, *, inside: Sequence[str] = (), softmax_inputs: dict[str, str] | None = None) -> Heads:
    """Return the heads among these outputs; those `inside` are not outputs of the graph itself."""
    scores = {name: values for name, values in outputs.items() if name not in inside}
    return find_heads(scores, outputs, softmax_inputs or {})[0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (LOGITS, True),
        (LOGITS.astype(np.float64), True),
        (LOGITS[:2], False),
        (LOGITS[:, :1], False),
        (LOGITS[:, 0], False),
        (LOGITS.astype(np.int64), False),
        ([{"a": 0.5, "b": 0.5}] * 3, False),
    ],
)
def test_scores_are_tables_of_numbers_with_a_row_for_each_row(values: Values, expected: bool) -> None:
    assert are_scores(values, 3) == expected


def test_rows_that_do_not_sum_to_1_are_logits() -> None:
    assert find({"s": LOGITS}) == Heads("s", None, 3, are_float32=True)


def test_rows_that_sum_to_1_are_no_probabilities_if_some_are_negative() -> None:
    values = np.array([[1.5, -0.25, -0.25], [0.2, 0.3, 0.5]], np.float32)

    assert find({"y": values}).logits == "y"


def test_rows_in_0_and_1_that_sum_to_1_are_probabilities() -> None:
    assert find({"p": softmax(LOGITS)}) == Heads(None, "p", 3, are_float32=True)


def test_rows_that_are_not_finite_do_not_count() -> None:
    logits = np.vstack([LOGITS, [[np.nan, 0, 1]]]).astype(np.float32)

    assert find({"p": softmax(logits), "s": logits}) == Heads("s", "p", 3, are_float32=True)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_heads_of_other_types_are_known_as_such(dtype: type) -> None:
    assert not find({"s": LOGITS.astype(dtype)}).are_float32


def test_a_tensor_inside_is_the_logits_if_its_softmax_gives_the_probabilities() -> None:
    outputs = {"p": softmax(LOGITS), "s": LOGITS, "other": -LOGITS}

    assert find(outputs, inside=["s", "other"], softmax_inputs={"p": "s"}).logits == "s"
    assert find(outputs, inside=["s", "other"], softmax_inputs={"p": "other"}).logits is None


@pytest.mark.parametrize("other", [np.zeros((2, 2), np.int64), np.zeros((2, 3), np.float32)])
def test_whole_numbers_and_other_shapes_are_no_logits_of_probabilities(other: Values) -> None:
    half = np.full((2, 2), 0.5, dtype=np.float32)

    assert find({"p": half, "s": np.zeros((2, 2), np.float32)}, inside=["s"], softmax_inputs={"p": "s"}).logits == "s"
    assert find({"p": half, "s": other}, inside=["s"], softmax_inputs={"p": "s"}).logits is None


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"a": softmax(LOGITS), "b": softmax(-LOGITS)}, r"several outputs could be the probabilities \(a, b\): "),
        ({"a": LOGITS, "b": -LOGITS}, r"several outputs could be the logits \(a, b\): "),
        ({"y": np.full((2, 2), np.nan)}, "output y is not finite for any of the rows"),
        ({"y": np.full((2, 3), 0.9)}, "output y lies in .* multi-label models"),
        ({"y": np.array([[-1, 1], [2, -2]])}, r"output y is \[-s, s\], the decision function"),
    ],
)
def test_an_unclear_choice_is_refused(outputs: Outputs, message: str) -> None:
    with pytest.raises(Refused, match=f"^{message}"):
        find(outputs)
