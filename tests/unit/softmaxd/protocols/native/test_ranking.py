import json

import numpy as np

from softmaxd.models.answers import PIECE
from softmaxd.protocols.native.ranking import sets_as_json, top_as_json

LABELS = [b'"dog"', b'"cat"', b'"owl"']


def test_the_top_labels_of_each_row_come_with_their_probabilities() -> None:
    probabilities = np.array([[0.25, 0.125, 0.625], [0.4, 0.2, 0.4]], np.float32)

    assert json.loads(top_as_json(probabilities, 2, LABELS)) == [
        [{"label": "owl", "probability": 0.625}, {"label": "dog", "probability": 0.25}],
        [{"label": "dog", "probability": 0.4}, {"label": "owl", "probability": 0.4}],
    ]


def test_a_set_has_the_labels_that_are_probable_enough() -> None:
    logarithms = np.array([[-3.0, -0.4, -1.9], [-2.1, -2.2, -2.3]])

    assert json.loads(sets_as_json(logarithms, 2.0, LABELS)) == [["cat", "owl"], []]


def test_a_set_with_a_threshold_for_each_label_has_the_most_probable_first_too() -> None:
    logarithms = np.array([[-0.3, -2.0, -3.0], [-0.9, -0.8, -1.7]])

    assert json.loads(sets_as_json(logarithms, np.array([0.2, 2.5, 1.8]), LABELS)) == [["cat"], ["cat", "owl"]]


def test_many_rows_are_written_in_pieces_and_each_as_it_is_alone() -> None:
    rows = PIECE // len(LABELS) + 2
    logits = np.random.default_rng(0).normal(size=(rows, len(LABELS))).astype(np.float32)

    top = json.loads(top_as_json(logits, 3, LABELS))
    sets = json.loads(sets_as_json(-np.abs(logits).astype(np.float64), 0.5, LABELS))

    assert len(top) == len(sets) == rows
    for row in (0, rows - 2, rows - 1):
        one = logits[row : row + 1]
        assert [top[row]] == json.loads(top_as_json(one, 3, LABELS))
        assert [sets[row]] == json.loads(sets_as_json(-np.abs(one).astype(np.float64), 0.5, LABELS))
