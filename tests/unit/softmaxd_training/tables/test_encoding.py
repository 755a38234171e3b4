"""Cells become numbers between 0 and 1, in NumPy and in a graph alike, to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings

from softmaxd.errors import Refused
from softmaxd.models.outputs import Array
from softmaxd_training.tables.encoding import BINS, Encoder
from softmaxd_training.tables.nodes import Nodes
from softmaxd_training.tables.vocabulary import Texts
from tests.support.table_nodes import Run, hard_numbers, hard_texts, run_of, texts_of

KNOWN = ["red", "green", "red\0", "1|red", "😀"]


def column(*values: float) -> Array:
    return np.array(values, np.float32)[:, None]


def without_texts(numbers: Array) -> Texts:
    return np.empty((len(numbers), 0), object)


def rows() -> tuple[Array, Texts]:
    """Columns of usual, missing, few, denormal, huge and equal numbers; of frequent, rare and missing texts."""
    draw = np.random.default_rng(0)
    numbers = draw.normal(size=(400, 6)).astype(np.float32)
    numbers[::7, 1] = np.nan
    numbers[:, 2] = draw.choice([0, 1], 400)
    numbers[:, 3] = draw.choice(np.array([0, 1e-45, 3e-45, -1e-40], np.float32), 400)
    numbers[:, 4] = draw.choice(np.array([-3e38, 0, 3e38], np.float32), 400)
    numbers[:, 5] = 3
    texts = draw.choice(np.array([*KNOWN, ""], object), (400, 3))
    texts[texts[:, 1] == "", 1] = "red"
    texts[:2, 1] = "rare"
    texts[:, 2] = "always"
    return numbers, texts


NUMBERS, TEXTS = rows()
ENCODER = Encoder.of(NUMBERS, TEXTS)


def run() -> Run:
    nodes = Nodes()
    ENCODER.draw(nodes, "numeric", ENCODER.vocabulary.draw(nodes, "text"), output="found")
    return run_of(nodes, (NUMBERS, TEXTS))


RUN = run()


def test_a_number_passes_the_pieces_between_quantiles_one_after_the_other() -> None:
    numbers = np.arange(17, dtype=np.float32)[:, None]
    encoder = Encoder.of(numbers, without_texts(numbers))

    found = encoder.encode(column(-np.inf, 0, 2.5, 16, np.inf), without_texts(column(0, 0, 0, 0, 0)))

    assert found.tolist() == [[0] * 16, [0] * 16, [1, 1, 0.5] + [0] * 13, [1] * 16, [1] * 16]


def test_two_different_numbers_have_one_piece() -> None:
    numbers = column(3, 3, 5)

    assert Encoder.of(numbers, without_texts(numbers)).encode(numbers, without_texts(numbers)).tolist() == [
        [0],
        [0],
        [1],
    ]


def test_equal_quantiles_are_one() -> None:
    numbers = np.where(np.arange(1000) < 990, 0, np.arange(1000)).astype(np.float32)[:, None]
    encoder = Encoder.of(numbers, without_texts(numbers))

    assert encoder.width < BINS
    assert encoder.encode(column(0, 999), without_texts(column(0, 0))).tolist() == [
        [0] * encoder.width,
        [1] * encoder.width,
    ]


def test_a_missing_number_is_0_everywhere_and_has_a_flag_if_training_rows_missed_one() -> None:
    numbers = np.array([[0, 0], [1, np.nan], [1, 1]], np.float32)
    encoder = Encoder.of(numbers, without_texts(numbers))

    found = encoder.encode(np.array([[np.nan, np.nan], [1, 1]], np.float32), np.empty((2, 0), object))

    assert found.tolist() == [[0, 0, 1], [1, 1, 0]]


def test_a_text_has_a_place_for_each_kind_that_training_rows_have() -> None:
    texts = texts_of(*[("a", "a")] * 5, *[("b", "b")] * 5, ("rare", "b"), ("a", ""))
    encoder = Encoder.of(np.empty((12, 0), np.float32), texts)

    found = encoder.encode(np.empty((4, 0), np.float32), texts_of(("a", "a"), ("b", "b"), ("new", "new"), ("", "")))

    assert found.tolist() == [[1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 1, 0], [0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1]]


def test_every_encoded_column_varies_in_the_training_rows() -> None:
    encoded = ENCODER.encode(NUMBERS, TEXTS)

    assert encoded.shape == (400, ENCODER.width)
    assert (encoded.min(axis=0) < encoded.max(axis=0)).all()
    assert set(ENCODER.pieces.tolist()) == {0, 1, 2, 3, 4}
    assert set(ENCODER.owners.tolist()) == {0, 1}


def test_a_table_whose_columns_never_vary_is_refused() -> None:
    with pytest.raises(Refused, match="no column of the table has different values"):
        Encoder.of(np.full((9, 1), np.nan, np.float32), texts_of(*[("same",)] * 9))


def test_infinite_numbers_of_training_rows_set_no_quantile() -> None:
    numbers = column(-np.inf, 0, 1, np.inf)

    assert Encoder.of(numbers, without_texts(numbers)).encode(numbers, without_texts(numbers)).tolist() == [
        [0],
        [0],
        [1],
        [1],
    ]


@settings(max_examples=300)
@given(numbers=hard_numbers(3, 6), texts=hard_texts(3, 3, KNOWN))
def test_a_graph_encodes_any_row_as_numpy_does(numbers: Array, texts: Texts) -> None:
    expected = ENCODER.encode(numbers, texts)

    assert RUN(numbers, texts).tobytes() == expected.tobytes()
    assert ((expected >= 0) & (expected <= 1)).all()


def test_a_graph_encodes_the_training_rows_as_numpy_does_together_and_alone() -> None:
    expected = ENCODER.encode(NUMBERS, TEXTS)

    assert RUN(NUMBERS, TEXTS).tobytes() == expected.tobytes()
    assert b"".join(RUN(NUMBERS[i : i + 1], TEXTS[i : i + 1]).tobytes() for i in range(400)) == expected.tobytes()


def test_a_table_of_numbers_or_of_texts_alone_is_encoded() -> None:
    for numbers, texts in ((NUMBERS, without_texts(NUMBERS)), (NUMBERS[:, :0], TEXTS)):
        encoder, nodes = Encoder.of(numbers, texts), Nodes()
        ids = encoder.vocabulary.draw(nodes, "text") if texts.shape[1] else ""
        encoder.draw(nodes, "numeric", ids, output="found")

        assert run_of(nodes, (NUMBERS, TEXTS))(NUMBERS, TEXTS).tobytes() == encoder.encode(numbers, texts).tobytes()
