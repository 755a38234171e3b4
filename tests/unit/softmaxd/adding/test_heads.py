"""Logits and probabilities are told apart by their numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from softmaxd.adding.graphs import MANY_CLASSES, Heads
from softmaxd.adding.heads import ADDED_SOFTMAX, ROUNDING, are_scores, find_heads, served
from softmaxd.adding.operators import Origin
from softmaxd.adding.running import Outputs, Values
from softmaxd.errors import Refused

LOGITS = np.array([[1, 2, 3], [0, -5, 0.5], [4, 0, 0]], dtype=np.float32)


PLAIN = Origin()
FOREST = np.array([[1.0000001, -1.2e-7], [0.5, 0.5], [0.3, 0.7]], np.float32)  # 10 trees, two classes


def softmax(logits: Values) -> Values:
    exponents = np.exp(logits)
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))


def find(outputs: Outputs, **others: Any) -> Heads:
    """Return the heads among these outputs, without the notes."""
    return found(outputs, **others)[0]


def found(
    outputs: Outputs,
    *,
    inside: Sequence[str] = (),
    softmax_inputs: dict[str, str] | None = None,
    origin: Origin = PLAIN,
    told: str | None = None,
) -> tuple[Heads, tuple[str, str]]:
    """Return the heads among these outputs, with the notes; those `inside` are not outputs of the graph itself."""
    scores = {name: values for name, values in outputs.items() if name not in inside}
    return find_heads(scores, outputs, softmax_inputs or {}, dict.fromkeys(scores, origin), told=told)


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
        ({"a": LOGITS, "b": -LOGITS}, r"several outputs could be the logits \(a, b\): .* or name it with --logits$"),
        ({"y": 100 * softmax(LOGITS)}, r"output y has rows that all sum to 100, like percentages .* --logits y$"),
        ({"y": np.array([[1.5, -0.25, -0.25], [0.2, 0.3, 0.5]])}, "output y has rows that all sum to 1, "),
        ({"y": np.round(100 * softmax(LOGITS / 7))}, "output y has rows that all sum to about 100, like percentages"),
        ({"y": -np.log(softmax(LOGITS))}, "output y has −ln p of probabilities p, not logits: export p itself"),
        ({"y": np.log2(softmax(LOGITS))}, "output y has log2 p of"),
        ({"y": np.log10(softmax(LOGITS))}, "output y has log10 p of"),
        ({"y": softmax(LOGITS) / (1 - softmax(LOGITS))}, r"output y has the odds p / \(1 − p\) of"),
        ({"y": np.log(softmax(LOGITS) / (1 - softmax(LOGITS)))}, r"output y has ln\(p / \(1 − p\)\) of"),
        ({"y": np.full((2, 2), np.nan)}, "output y is not finite for any of the rows"),
        ({"y": np.full((2, 3), 0.9)}, "output y lies in .* multi-label models"),
        ({"y": np.array([[-1, 1], [2, -2]])}, r"output y is \[-s, s\], the decision function"),
    ],
)
def test_an_unclear_choice_is_refused(outputs: Outputs, message: str) -> None:
    with pytest.raises(Refused, match=f"^{message}"):
        find(outputs)


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        (Origin(scorer="SVMClassifier"), r"output y has scores of SVMClassifier, .* say so with --logits y$"),
        (Origin(scorer="LinearRegressor", is_regression=True), r"output y is a regression \(LinearRegressor\), not "),
    ],
)
def test_scores_of_classical_models_are_no_logits_unless_the_owner_says_so(origin: Origin, message: str) -> None:
    with pytest.raises(Refused, match=f"^{message}"):
        find({"y": LOGITS}, origin=origin)

    heads, notes = found({"y": LOGITS}, origin=origin, told="y")

    assert heads.logits == "y"
    assert notes[0] == "logits: the output y; as --logits says"


@pytest.mark.parametrize("values", [LOGITS, softmax(LOGITS)], ids=["scores", "probabilities"])
def test_columns_of_a_sorted_output_are_no_classes(values: Values) -> None:
    in_order = -np.sort(-values)

    with pytest.raises(Refused, match=r"^output y is sorted, so its columns are places and not classes: export"):
        find({"y": in_order}, origin=Origin(is_sorted=True))

    origins = {"p": PLAIN, "y": Origin(is_sorted=True)}
    outputs = {"p": softmax(LOGITS), "y": in_order}
    assert find_heads(outputs, outputs, {}, origins)[0].probabilities == "p"


def test_of_several_outputs_that_could_be_the_logits_the_owner_names_one() -> None:
    assert find({"a": LOGITS, "b": -LOGITS}, told="b") == Heads("b", None, 3, are_float32=True)


def test_of_several_probabilities_the_softmax_of_the_named_logits_is_taken() -> None:
    outputs = {"a": softmax(LOGITS), "b": softmax(-LOGITS), "s": -LOGITS}

    assert find(outputs, told="s") == Heads("s", "b", 3, are_float32=True)


def test_a_softmax_that_nothing_confirms_is_noted_as_an_assumption() -> None:
    assumed = (
        f"{ADDED_SOFTMAX}, which is wrong for a multi-label network or a regression: --logits y says that it is neither"
    )
    label = {"label": LOGITS.argmax(axis=1)}

    assert found({"y": LOGITS})[1][1] == assumed
    assert found({"y": LOGITS}, told="y")[1][1] == ADDED_SOFTMAX
    assert found({"y": LOGITS, **label}, inside=["label"])[1][1] == ADDED_SOFTMAX
    assert found({"y": np.log(softmax(LOGITS))})[1][1] == ADDED_SOFTMAX


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("z", r"--logits z: no such output is a table of numbers \[n, classes\]; these are: p, s"),
        ("p", r"--logits p: its rows lie in \[0, 1\] and sum to 1, so it has probabilities"),
        ("s", "--logits s: its softmax is not the probabilities that the output p has"),
    ],
)
def test_named_logits_must_not_contradict_the_numbers(told: str, message: str) -> None:
    with pytest.raises(Refused, match=f"^{message}$"):
        find({"p": softmax(LOGITS), "s": -LOGITS}, told=told)


def test_named_logits_are_finite_for_some_row() -> None:
    with pytest.raises(Refused, match=r"^output y is not finite for any of the rows"):
        find({"y": np.full((2, 2), np.nan)}, told="y")


def test_constant_logits_may_sum_to_anything() -> None:
    assert find({"y": np.array([[1, 2, 3], [1, 2, 3]], np.float32)}).logits == "y"


def test_probabilities_that_rounding_took_out_of_0_and_1_are_clipped_and_normalised() -> None:
    heads, notes = found({"p": FOREST})

    probabilities = served(FOREST, heads)
    assert (heads.probabilities, heads.is_rounded) == ("p", True)
    assert notes[1].endswith("sum to 1 but for rounding (by 1.2e-07); clipped and normalised")
    assert probabilities[0].tolist() == [1.0, 0.0]
    assert np.abs(probabilities.sum(axis=1) - 1).max() <= 2.0**-52


@pytest.mark.parametrize(
    ("beyond", "expected"), [(0.9 * ROUNDING, True), (-0.9 * ROUNDING, True), (1.1 * ROUNDING, False)]
)
def test_rounding_has_a_bound(beyond: float, expected: bool) -> None:
    values = np.array([[1.0 + beyond, 0.0], [0.25, 0.75]])

    assert (find({"p": values}).probabilities == "p") == expected


def test_probabilities_that_are_exact_stay_as_they_are() -> None:
    probabilities = softmax(LOGITS).astype(np.float32)
    heads, notes = found({"p": probabilities})

    assert notes[1] == "probabilities: the output p; its rows lie in [0, 1] and sum to 1"
    assert served(probabilities, heads) is probabilities


def test_probabilities_of_many_classes_are_normalised_because_float32_rounds_their_sum() -> None:
    probabilities = softmax(np.random.default_rng(0).normal(size=(9, MANY_CLASSES + 1))).astype(np.float32)

    heads, notes = found({"p": probabilities})

    assert heads.is_rounded
    assert notes[1].endswith("sum to 1; clipped and normalised, because float32 rounds the sum of 201 numbers")


def test_a_regression_whose_rows_sum_to_1_has_probabilities_with_a_note_on_its_targets() -> None:
    regression = Origin(scorer="TreeEnsembleRegressor", is_regression=True, regressor="TreeEnsembleRegressor")

    heads, notes = found({"variable": FOREST[1:]}, origin=regression)

    assert heads.probabilities == "variable"
    assert notes[1].endswith(
        "; the file is a regression (TreeEnsembleRegressor): these are probabilities if it was fitted to one 1 in each"
        " row, at the label, and 0 elsewhere"
    )


def test_probabilities_of_an_operator_that_rounds_are_normalised_though_no_row_shows_it() -> None:
    heads, notes = found({"p": FOREST[1:]}, origin=Origin(rounded_by="TreeEnsembleClassifier"))

    assert heads.is_rounded
    assert notes[1].endswith("sum to 1; clipped and normalised, because TreeEnsembleClassifier rounds")
