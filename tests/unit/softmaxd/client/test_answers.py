import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from softmaxd.client.answers import (
    Prediction,
    joined,
    model_of,
    models_of,
    one_model_of,
    prediction_of,
    softmax_of,
    understood,
)
from softmaxd.client.errors import InvalidRequest, ServiceFailed
from softmaxd.client.steps import Reply
from softmaxd.client.tensors import outputs_of

ANSWER = {
    "model": "blobs",
    "version": "1",
    "labels": ["a", "bcd"],
    "probabilities": [[0.9, 0.1], [2.2970712e-8, 1.0]],
    "logits": [[1.5, -1.5], [-2.0, 2.0]],
    "log_probabilities": [[-0.1, -2.3], [-17.6, 0.0]],
    "typicality": [0.6073926073926074, 0.000999000999000999],
    "prediction_sets": [["a", "bcd"], ["bcd"]],
    "not_guaranteed": ["a"],
}


def reply(answer: Any) -> Reply:
    return Reply(200, {}, json.dumps(answer).encode())


def test_fields_are_arrays_of_their_types() -> None:
    answer = prediction_of(reply(ANSWER))

    assert answer.labels.tolist() == ["a", "bcd"]
    assert answer.probabilities.dtype == np.float32
    assert answer.probabilities.shape == (2, 2)
    assert answer.probabilities[1, 0] == np.float32(2.2970712e-8)
    assert answer.logits.tolist() == ANSWER["logits"]
    assert answer.log_probabilities.dtype == np.float32
    assert answer.typicality.tolist() == ANSWER["typicality"]
    assert answer.prediction_sets == ANSWER["prediction_sets"]
    assert answer.not_guaranteed == ["a"]


def test_top_labels_are_pairs() -> None:
    top = [[{"label": "a", "probability": 0.9}]]

    assert prediction_of(reply({"model": "m", "version": "1", "labels": ["a"], "top": top})).top == [[("a", 0.9)]]


def test_a_field_that_was_not_asked_for_is_named() -> None:
    answer = Prediction("m", "1", np.array(["a"]), {"probabilities": np.ones((1, 1))})

    with pytest.raises(InvalidRequest, match=r"no typicality: .* it has \['probabilities'\]"):
        _ = answer.typicality


def test_parts_with_and_without_unknown_texts_are_joined() -> None:
    first, second = prediction_of(reply(ANSWER)), prediction_of(reply({**ANSWER, "unknown": [["job"], []]}))

    assert first.unknown == [[], []]
    assert joined([first, second]).unknown == [[], [], ["job"], []]


def test_parts_are_joined_in_order() -> None:
    first, second = prediction_of(reply(ANSWER)), prediction_of(reply({**ANSWER, "labels": ["longer", "a"]}))

    whole = joined([first, second])

    assert whole.labels.tolist() == ["a", "bcd", "longer", "a"]
    assert whole.probabilities.tobytes() == first.probabilities.tobytes() + second.probabilities.tobytes()
    assert whole.prediction_sets == [*first.prediction_sets, *second.prediction_sets]
    assert whole.not_guaranteed == ["a"]
    assert joined([first]) is first


def test_softmax_has_the_shapes_of_its_answer() -> None:
    answer = softmax_of(reply({"probabilities": [0.25, 0.75], "entropy": 0.5}))

    assert answer.probabilities.tolist() == [0.25, 0.75]
    assert answer.entropy is not None
    assert answer.entropy.shape == ()
    assert answer.loss is None


def test_a_model_that_is_not_ready_has_its_state() -> None:
    model = model_of({"name": "m", "version": "2", "state": "rejected", "reason": "broken"})

    assert (model.state, model.is_default, model.classes, model.features) == ("rejected", False, (), ())
    assert model.description["reason"] == "broken"


@pytest.mark.parametrize("read", [prediction_of, softmax_of, models_of, one_model_of, outputs_of])
@pytest.mark.parametrize(
    "content", [b"<html>", b"[]", b"7", b'"ok"', b'{"status": "ok"}', b'{"outputs": [{}]}', b"\xff"]
)
def test_the_answer_of_another_program_is_told(read: Callable[[Reply], object], content: bytes) -> None:
    with pytest.raises(
        ServiceFailed, match=r"^The response is none of softmaxd's \(.*\): is the service at this URL\?$"
    ):
        understood(read, Reply(200, {}, content))
