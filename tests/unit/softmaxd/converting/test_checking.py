"""The served probabilities are those of the library, within a tolerance that follows from float32."""

from pathlib import Path
from typing import cast

import numpy as np
import onnx
import pytest

from softmaxd.adding.add import Prepared, prepare
from softmaxd.converting.apart import Apart
from softmaxd.converting.checking import check
from softmaxd.converting.original import Inputs, Values
from softmaxd.errors import Refused
from tests.support.onnx_graphs import WEIGHTS, logits_only, model, node, tensor

ROWS = np.array([[0.0, 0.0], [1.0, 1.0], [3.0, -2.0]], np.float32)


class Known:
    """A library that gives these outputs for the rows of these numbers."""

    library, converter = "Library 1.0", "converter 2.0"

    def __init__(self, outputs: Values, taken: list[int]) -> None:
        self._known = taken, outputs

    def run(self, inputs: Inputs, output: str) -> tuple[list[int], Values]:
        return self._known


def checked(prepared: Prepared, outputs: Values, taken: list[int] | None = None, rows: Values = ROWS) -> str:
    known = Known(outputs, list(range(len(outputs))) if taken is None else taken)
    return check(prepared, cast(Apart, known), rows)


@pytest.fixture
def scorer(tmp_path: Path) -> Prepared:
    """A graph that gives logits only."""
    onnx.save(logits_only(), tmp_path / "m.onnx")
    return prepare(tmp_path / "m.onnx", name="m")


@pytest.fixture
def classifier(tmp_path: Path) -> Prepared:
    """A graph that gives probabilities only, as trees do."""
    nodes = [node("MatMul", "x w", "s"), node("Exp", "s", "e"), node("LpNormalization", "e", "p", axis=1, p=1)]
    onnx.save(model(nodes, outputs=[tensor("p", ["n", 3])]), tmp_path / "m.onnx")
    return prepare(tmp_path / "m.onnx", name="m")


def softmax(scores: Values) -> Values:
    return np.asarray(np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True))


def test_the_note_has_the_largest_difference_and_the_tolerance(classifier: Prepared) -> None:
    expected = softmax(ROWS.astype(np.float64) @ WEIGHTS)
    expected[1] += [4e-6, -4e-6, 0]

    note = checked(classifier, expected)

    beginning, _, end = note.partition(" by ")
    assert beginning == "checked: 3 rows against Library 1.0; a probability differs"
    assert 3.9e-6 < float(end.partition(" ")[0]) < 4.2e-6
    assert end.endswith(" at most, with a tolerance of 1e-05")


def test_logits_are_compared_by_their_softmax(scorer: Prepared) -> None:
    assert checked(scorer, ROWS @ WEIGHTS + 5).startswith("checked: 3 rows ")


def test_probabilities_of_the_library_are_compared_as_they_are_with_the_softmax_of_logits(scorer: Prepared) -> None:
    assert checked(scorer, softmax(ROWS.astype(np.float64) @ WEIGHTS)).startswith("checked: 3 rows ")


def test_a_difference_beyond_the_tolerance_is_refused_with_its_row(classifier: Prepared) -> None:
    expected = softmax(ROWS.astype(np.float64) @ WEIGHTS)
    expected[2] += [0.25, 0, 0]

    with pytest.raises(Refused) as refused:
        checked(classifier, expected)

    assert str(refused.value) == (
        "the ONNX file that converter 2.0 makes of it differs from Library 1.0 by 2.5e-01 in a probability, more than "
        "the tolerance of 1.0e-05, for the row [x0=3, x1=-2]; it does in 1 of the 3 rows that were tried"
    )


@pytest.mark.parametrize("added", [0.016, 0.02])
def test_the_tolerance_grows_with_the_logits_of_a_network(scorer: Prepared, added: float) -> None:
    """Two logits are 900: their probabilities are 1/2, change by a quarter of what is added, and may by 4.5e-3."""
    rows = np.array([[700.0, 800.0]], np.float32)
    scores = rows.astype(np.float64) @ WEIGHTS + [added, 0, 0]

    if added / 4 < 4.5e-3:
        assert checked(scorer, scores, rows=rows).startswith("checked: 1 rows ")
    else:
        with pytest.raises(Refused, match=r"more than the tolerance of 4.5e-03"):
            checked(scorer, scores, rows=rows)


def test_rows_that_the_library_refuses_are_left_out(classifier: Prepared) -> None:
    expected = softmax(ROWS.astype(np.float64) @ WEIGHTS)[[0, 2]]

    assert checked(classifier, expected, [0, 2]).startswith("checked: 2 rows ")


def test_too_few_rows_that_the_library_takes_are_refused(classifier: Prepared) -> None:
    known = Known(softmax(ROWS.astype(np.float64) @ WEIGHTS)[[0, 2]], [0, 2])

    with pytest.raises(Refused, match=r"^Library 1.0 takes 2 of the 3 rows that were tried, and a check needs 3$"):
        check(classifier, cast(Apart, known), ROWS, fewest=3)


def test_an_answer_that_is_not_finite_is_right_only_where_the_other_one_is_not(classifier: Prepared) -> None:
    expected = softmax(ROWS.astype(np.float64) @ WEIGHTS)
    expected[1] = np.nan

    with pytest.raises(Refused, match=r"differs from Library 1.0 by inf"):
        checked(classifier, expected)


def test_an_output_of_another_shape_is_refused(classifier: Prepared) -> None:
    with pytest.raises(Refused, match=r"an output of the shape \(3, 2\), not one for each class"):
        checked(classifier, np.full((3, 2), 0.5))
