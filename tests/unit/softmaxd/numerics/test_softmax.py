"""Against mpmath at 50 digits, over all of float64."""

import math
import sys
from dataclasses import dataclass

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from softmaxd.numerics.softmax import FEW_CLASSES, Floats, Softmax, log_softmax, sigmoid, softmax_of_few

LARGEST = sys.float_info.max
TINIEST = 5e-324
SMALLEST_ACCURATE = 2.3e-308  # the smallest probability that is promised to 4 ulp

mpmath.mp.dps = 50

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEMPERATURES = st.one_of(
    st.just(1.0),
    st.floats(0.05, 20.0),
    st.floats(TINIEST, LARGEST),
    st.integers(-1074, 1023).map(lambda exponent: math.ldexp(1.0, exponent)),
    st.floats(-323.0, 308.0).map(lambda exponent: 10.0**exponent),
)


@dataclass(frozen=True, slots=True)
class Case:
    logits: list[float]
    temperature: float

    @property
    def softmax(self) -> Softmax:
        return Softmax(np.array([self.logits]), self.temperature)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw logits of any size, equal ones among them, or such that their quotients by the temperature matter."""
    temperature = draw(TEMPERATURES)
    classes = draw(st.integers(1, 12))
    if draw(st.booleans()):
        return Case(draw(st.lists(FINITE, min_size=classes, max_size=classes)), temperature)
    base = draw(st.one_of(st.floats(-1e3, 1e3), FINITE))
    quotients = draw(st.lists(st.floats(-720.0, 0.0), min_size=classes, max_size=classes))
    logits = [min(max(base + quotient * temperature, -LARGEST), LARGEST) for quotient in quotients]
    return Case(logits + draw(st.sampled_from([[], [base], [base, base]])), temperature)


def random_case(classes: int, *, spread: float, temperature: float) -> Case:
    return Case((np.random.default_rng(classes).normal(size=classes) * spread).tolist(), temperature)


class Exact:
    """What 50 digits say: probabilities, their negative logarithms, the entropy."""

    def __init__(self, case: Case) -> None:
        maximum = max(case.logits)
        where = case.logits.index(maximum)
        quotients = [(mpmath.mpf(logit) - maximum) / mpmath.mpf(case.temperature) for logit in case.logits]
        exponentials = [mpmath.exp(quotient) for quotient in quotients]
        others = mpmath.fsum(exponentials[:where] + exponentials[where + 1 :])
        self.probabilities = [exponential / (1 + others) for exponential in exponentials]
        self.losses = [mpmath.log1p(others) - quotient for quotient in quotients]
        self.entropy = mpmath.fdot(self.probabilities, self.losses)


def ulps(value: float, exact: mpmath.mpf) -> float:
    return float(abs(mpmath.mpf(value) - exact) / math.ulp(float(exact)))


def is_near(value: float, exact: mpmath.mpf) -> bool:
    """Whether a value is within 4 ulp, or 1e-15."""
    return bool(abs(mpmath.mpf(value) - exact) <= max(4 * math.ulp(float(exact)), 1e-15))


def worst_probability(case: Case) -> float:
    """Return the error in ulp of the least accurate probability that is promised to be accurate."""
    pairs = zip(case.softmax.probabilities[0].tolist(), Exact(case).probabilities, strict=True)
    return max(ulps(value, exact) for value, exact in pairs if exact >= SMALLEST_ACCURATE)


def test_gives_the_article_s_probabilities() -> None:
    probabilities = Softmax(np.array([[0.7, 1.5, 4.8]])).probabilities

    assert probabilities.round(8).tolist() == [[0.01573172, 0.03501159, 0.94925668]]


def test_gives_the_article_s_airplane_and_its_loss() -> None:
    softmax = Softmax(np.array([[-3.44, 1.16, -0.81, 3.91]]))

    assert softmax.probabilities[0, 3].round(4) == 0.9315
    assert softmax.loss(np.array([3])).round(4).tolist() == [0.0709]


@settings(max_examples=400)
@given(cases())
@example(Case([0.1, -699.9], 1.0))
@example(Case([1e6 + 0.1, 1e6 - 700.3], 1.0))
@example(Case([0.0] * FEW_CLASSES + [0.1, -699.9], 1.0))
@example(Case([0.0, -700.0 * 1.1], 1.1))
@example(Case([0.3, -700.1 * 0.7], 0.7))
@example(Case([LARGEST, -LARGEST], LARGEST))
@example(Case([LARGEST, LARGEST / 3.7], 1e306))
@example(Case([0.0, TINIEST, 3 * TINIEST], TINIEST))
@example(Case([2e-308, 0.0], 3e-311))
@example(Case([LARGEST, 1.0, -LARGEST], TINIEST))
def test_a_probability_is_within_4_ulp(case: Case) -> None:
    assert worst_probability(case) <= 4


@pytest.mark.parametrize("classes", [FEW_CLASSES, FEW_CLASSES + 1, 127, 128, 999, 1000])
@pytest.mark.parametrize("spread", [1.0, 10.0, 300.0])
def test_a_probability_among_many_is_within_4_ulp(classes: int, spread: float) -> None:
    assert worst_probability(random_case(classes, spread=spread, temperature=1.3)) <= 4


@pytest.mark.parametrize("difference", np.linspace(-9.0, -1.0, 9).tolist())
def test_equal_terms_do_not_add_up_their_roundings(difference: float) -> None:
    assert worst_probability(Case([0.0, *[difference] * 999], 1.0)) <= 4


@settings(max_examples=400)
@given(cases())
@example(Case([LARGEST, -LARGEST], 1.0))
@example(Case([LARGEST, -LARGEST], 1.5))
@example(Case([1.0, 0.0], TINIEST))
@example(Case([1e300, -1e300, 1e300], 1e-10))
def test_a_log_probability_is_finite_and_within_4_ulp(case: Case) -> None:
    log_probabilities = case.softmax.log_probabilities[0].tolist()

    for value, exact in zip(log_probabilities, Exact(case).losses, strict=True):
        assert is_near(-value, min(exact, mpmath.mpf(LARGEST)))


@pytest.mark.parametrize(
    ("logits", "temperature", "lowest"),
    [
        ([1e308, -1e308], 1.0, -LARGEST),
        ([1e308, -1e308], 1.25, -1.6e308),
        ([1e308, -1e308], 2.0, -1e308),
        ([8e307, -8e307], 1.0, -1.6e308),
        ([8e307, -8e307], 0.5, -LARGEST),
        ([1.0, 0.0], 1e-308, -1e308),
        ([1.0, 0.0], 1e-309, -LARGEST),
    ],
)
def test_a_log_probability_saturates_only_where_float64_ends(
    logits: list[float], temperature: float, lowest: float
) -> None:
    assert log_softmax(np.array([logits]), temperature).tolist() == [[0.0, pytest.approx(lowest, rel=1e-15, abs=0.0)]]


@settings(max_examples=200)
@given(cases())
@example(random_case(1000, spread=3.0, temperature=1.0))
def test_the_entropy_is_within_4_ulp(case: Case) -> None:
    (entropy,) = case.softmax.entropy.tolist()

    assert is_near(entropy, Exact(case).entropy)


@pytest.mark.parametrize(
    ("logits", "entropy"),
    [
        ([3.0], 0.0),
        ([0.0, -1000.0], 0.0),
        ([LARGEST, -LARGEST], 0.0),
        ([1000.0, 1000.0, 0.0], math.log(2)),
        ([0.5] * 1000, math.log(1000)),
    ],
)
def test_impossible_classes_add_nothing_to_the_entropy(logits: list[float], entropy: float) -> None:
    assert Softmax(np.array([logits])).entropy.tolist() == [pytest.approx(entropy, rel=1e-15, abs=0.0)]


def test_the_loss_is_that_of_each_row_s_target() -> None:
    softmax = Softmax(np.array([[0.0, -1000.0], [2.0, 2.0], [5.0, 6.0]]))

    loss = softmax.loss(np.array([1, 0, 1]))

    assert loss.tolist() == pytest.approx([1000.0, math.log(2), math.log1p(math.exp(-1))], rel=1e-15, abs=0.0)


@pytest.mark.parametrize("classes", [2, 40])
def test_the_loss_of_a_near_certainty_is_not_rounded_to_0(classes: int) -> None:
    softmax = Softmax(np.array([[50.0] + [0.0] * (classes - 1)]))

    (loss,) = softmax.loss(np.array([0])).tolist()

    assert loss == pytest.approx((classes - 1) * math.exp(-50), rel=1e-14, abs=0.0)


@given(cases())
@example(random_case(1000, spread=3.0, temperature=1.0))
def test_a_row_sums_to_1(case: Case) -> None:
    probabilities = case.softmax.probabilities[0].tolist()

    assert abs(math.fsum(probabilities) - 1) <= 1e-15 * len(probabilities)


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=20), st.integers(-(2**40), 2**40), TEMPERATURES)
def test_a_constant_changes_nothing(logits: list[int], constant: int, temperature: float) -> None:
    plain = Softmax(np.array([logits], dtype=np.float64), temperature)

    moved = Softmax(np.array([logits], dtype=np.float64) + constant, temperature)

    assert moved.probabilities.tolist() == plain.probabilities.tolist()
    assert moved.log_probabilities.tolist() == plain.log_probabilities.tolist()


@settings(max_examples=300)
@given(
    classes=st.one_of(st.integers(1, FEW_CLASSES + 1), st.integers(1, 1000)),
    rows=st.integers(1, 20),
    scale=st.sampled_from([1.0, 100.0, 1e3, 1e307]),
    temperature=st.one_of(st.just(1.0), TEMPERATURES),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_row_is_answered_alike_alone_and_in_any_matrix(
    classes: int, rows: int, scale: float, temperature: float, seed: int
) -> None:
    matrix = np.random.default_rng(seed).normal(size=(rows, classes)) * scale
    targets = np.arange(rows) % classes
    alone = [Softmax(row.reshape(1, -1), temperature) for row in matrix]

    together = Softmax(matrix, temperature)

    for position, softmax in enumerate(alone):
        assert softmax.probabilities[0].tolist() == together.probabilities[position].tolist()
        assert softmax.log_probabilities[0].tolist() == together.log_probabilities[position].tolist()
        assert softmax.entropy[0] == together.entropy[position]
        assert softmax.loss(targets[position : position + 1])[0] == together.loss(targets)[position]


@settings(max_examples=300)
@given(st.lists(FINITE, min_size=1, max_size=FEW_CLASSES))
@example([LARGEST, -LARGEST])
@example([0.1, -699.9])
@example([-0.0, 0.0])
def test_a_short_row_is_answered_like_a_matrix(logits: list[float]) -> None:
    two = Softmax(np.array([logits, logits])).probabilities

    assert np.array(softmax_of_few(logits)).tobytes() == two[0].tobytes() == two[1].tobytes()


@pytest.mark.parametrize("classes", [1, 4, 1000])
def test_the_memory_layout_of_the_logits_is_all_the_same(classes: int) -> None:
    matrix = np.random.default_rng(classes).normal(size=(9, classes))
    wide = np.repeat(np.repeat(matrix, 2, axis=0), 3, axis=1)

    answers = [Softmax(logits).probabilities for logits in (matrix, np.asfortranarray(matrix), wide[::2, ::3])]

    assert answers[0].tobytes() == answers[1].tobytes() == answers[2].tobytes()


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (1, 20), (5, 1), (5, 3)])
def test_answers_lie_in_memory_row_by_row(shape: tuple[int, int]) -> None:
    softmax = Softmax(np.zeros(shape))

    for answer in (softmax.probabilities, softmax.log_probabilities):
        assert answer.shape == shape
        assert answer.flags.c_contiguous
    assert softmax.entropy.shape == softmax.loss(np.zeros(shape[0], dtype=np.intp)).shape == shape[:1]


@pytest.mark.parametrize("logit", [0.0, -0.0, 3.5, LARGEST, -LARGEST])
def test_one_class_is_certain(logit: float) -> None:
    softmax = Softmax(np.array([[logit], [logit]]))

    assert softmax.probabilities.tolist() == [[1.0], [1.0]]
    assert str(softmax.log_probabilities.tolist()) == "[[0.0], [0.0]]"  # not -0.0
    assert str(softmax.loss(np.array([0, 0])).tolist()) == "[0.0, 0.0]"


@given(st.one_of(st.floats(-750.0, 750.0), FINITE))
def test_softmax_of_two_classes_is_the_sigmoid(value: float) -> None:
    expected = float(sigmoid(np.array([value]))[0])

    assert abs(Softmax(np.array([[value, 0.0]])).probabilities[0, 0] - expected) <= 2 * math.ulp(expected)


@given(st.floats(-708.0, LARGEST))
@example(LARGEST)
def test_the_sigmoid_is_within_4_ulp(value: float) -> None:
    (probability,) = sigmoid(np.array([value])).tolist()

    assert ulps(probability, 1 / (1 + mpmath.exp(-mpmath.mpf(value)))) <= 4


def test_the_sigmoid_keeps_the_shape_and_vanishes_far_below_0() -> None:
    values: Floats = np.array([[0.0, -LARGEST], [LARGEST, -0.0]])

    assert sigmoid(values).tolist() == [[0.5, 0.0], [1.0, 0.5]]
