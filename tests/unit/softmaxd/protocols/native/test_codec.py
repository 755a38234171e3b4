import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmaxd.errors import InvalidBody, OutputNotFinite, TooLarge
from softmaxd.models.answers import PIECE
from softmaxd.models.calibration import Calibration, LabelCalibration
from softmaxd.models.features import Feature
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Batch, Outputs
from softmaxd.protocols.native.codec import decode_predict, decode_softmax, encode_predict, encode_softmax
from tests.support.manifests import manifest

CALIBRATION = Calibration(
    rows=9,
    temperature=1.0,
    scores=(0.1, 0.5, 2.0),
    atypicality=(1.0, 4.0),
    by_label=(
        LabelCalibration(rows=4, scores=(0.1, 0.5, 1.0, 3.0)),
        LabelCalibration(rows=4, scores=(0.05, 0.1, 0.2, 0.3)),
        LabelCalibration(rows=1, scores=(2.0,)),
    ),
)
MANIFEST = Manifest(
    name="zoo",
    version=7,
    sha256="0" * 64,
    labels=("dog", "cat", "ä☃"),
    features=(Feature(name="x1"), Feature(name="x2")),
    calibration=CALIBRATION,
)
LOGITS = [[0.0, 2.0, 1.0], [3.0, 0.0, 3.0]]

float64s = st.floats(allow_nan=False, allow_infinity=False)
rows_of_three = st.lists(st.lists(float64s, min_size=3, max_size=3), min_size=1, max_size=5)


def softmax(**body: object) -> Any:  # Any: as it comes from JSON
    return json.loads(encode_softmax(decode_softmax(json.dumps(body).encode(), lambda *_: None)))


def predict(logits: list[list[float]], **fields: object) -> Any:  # Any: as above
    """Return the answer of a model with these logits."""
    values = np.array(logits, np.float32)
    shifted = np.exp(values - values.max(axis=1, keepdims=True))
    outputs = {
        "logits": values,
        "probabilities": shifted / shifted.sum(axis=1, keepdims=True),
        "atypicality": np.array([0.5, 9.0][: len(values)], np.float32),
    }
    body = json.dumps({"instances": [[0, 0]] * len(values), **fields}).encode()
    job = decode_predict(body, MANIFEST, max_rows=100)
    return json.loads(encode_predict(Outputs(Batch(outputs), 0, len(values)), job))


@pytest.mark.parametrize(
    ("jobs", "unknown"),
    [
        (["clerk", None, ""], {}),
        (["cook", "clerk", "cl\0erk"], {"unknown": [["jöb"], [], ["jöb"]]}),
    ],
    ids=["none", "two"],
)
def test_unknown_texts_are_told_by_row_where_there_is_one(jobs: list[str | None], unknown: dict[str, Any]) -> None:
    job = Feature(name="jöb", input="jobs", datatype="BYTES", categories=("clerk",), nullable=True)
    described = manifest(name="zoo", labels=("dog", "cat"), features=(job,))
    body = json.dumps({"instances": [[text] for text in jobs]}).encode()
    outputs = Outputs(Batch({"probabilities": np.full((3, 2), 0.5, np.float32)}), 0, 3)

    answer = json.loads(encode_predict(outputs, decode_predict(body, described, max_rows=100)))

    named = {"model": "zoo", "version": "1", "labels": ["dog"] * 3}
    assert answer == {**named, "probabilities": [[0.5, 0.5]] * 3, **unknown}


@given(rows_of_three)
def test_a_vector_and_a_row_of_a_matrix_have_the_same_answer(rows: list[list[float]]) -> None:
    include = ["log_probabilities", "entropy", "sigmoid"]

    of_matrix = softmax(logits=rows, include=include)
    of_vectors = [softmax(logits=row, include=include) for row in rows]

    assert of_matrix == {name: [answer[name] for answer in of_vectors] for name in of_matrix}


def test_many_rows_are_written_in_pieces_with_the_bits_of_each_row_alone() -> None:
    rows = np.random.default_rng(0).normal(size=(PIECE // 100 + 5, 100)).tolist()
    include = ["log_probabilities", "loss", "entropy", "sigmoid"]

    whole = softmax(logits=rows, include=include, targets=list(range(50)) * (len(rows) // 50) + [7] * (len(rows) % 50))

    assert list(whole) == ["probabilities", *include]
    assert {len(values) for values in whole.values()} == {len(rows)}
    for row, target in ((0, 0), (len(rows) - 1, 7)):
        alone = softmax(logits=rows[row], include=include, targets=target)
        assert {name: values[row] for name, values in whole.items()} == alone


@given(rows_of_three)
def test_the_short_way_for_one_vector_gives_probabilities_as_good(rows: list[list[float]]) -> None:
    for row in rows:
        assert softmax(logits=row)["probabilities"] == pytest.approx(
            softmax(logits=[row])["probabilities"][0], rel=1e-14, abs=1e-300
        )


def test_the_loss_is_minus_the_log_probability_of_the_target() -> None:
    answer = softmax(logits=LOGITS, targets=[1, 2], include=["loss", "log_probabilities"])

    logarithms = answer["log_probabilities"]
    assert answer["loss"] == [-logarithms[0][1], -logarithms[1][2]]


@pytest.mark.parametrize(
    ("body", "place", "kind"),
    [
        ({"logits": [1, 2], "include": ["loss"]}, ["targets"], "missing"),
        ({"logits": [1, 2], "targets": [0]}, ["targets"], "targets_shape"),
        ({"logits": [[1, 2]], "targets": 0}, ["targets"], "targets_shape"),
        ({"logits": [[1, 2]], "targets": [0, 1]}, ["targets"], "targets_shape"),
        ({"logits": [1, 2], "targets": 2}, ["targets"], "less_than"),
        ({"logits": [[1, 2], [1, 2]], "targets": [0, 2]}, ["targets", 1], "less_than"),
    ],
)
def test_targets_that_do_not_fit_the_logits_are_refused(
    body: dict[str, object], place: list[object], kind: str
) -> None:
    with pytest.raises(InvalidBody) as refused:
        softmax(**body)

    assert [(problem["type"], list(problem["loc"])) for problem in refused.value.problems] == [(kind, place)]


def test_more_rows_than_the_limit_are_refused() -> None:
    with pytest.raises(TooLarge):
        decode_predict(b'{"instances": [[1, 2], [1, 2]]}', MANIFEST, max_rows=1)


def test_a_prediction_names_the_model_and_the_best_label_of_each_row() -> None:
    answer = predict(LOGITS)

    assert (answer["model"], answer["version"], answer["labels"]) == ("zoo", "7", ["cat", "dog"])
    assert set(answer) == {"model", "version", "labels", "probabilities"}


def test_top_labels_come_instead_of_all_probabilities_and_ties_keep_the_class_order() -> None:
    answer = predict(LOGITS, top_k=2)

    assert "probabilities" not in answer
    assert [[each["label"] for each in row] for row in answer["top"]] == [["cat", "ä☃"], ["dog", "ä☃"]]


def test_more_fields_come_when_they_are_asked_for() -> None:
    answer = predict(LOGITS, include=["logits", "log_probabilities", "prediction_sets", "typicality"], coverage=0.9)

    assert answer["logits"] == LOGITS
    assert answer["log_probabilities"][0] == pytest.approx([-2.407606, -0.407606, -1.407606], abs=1e-6)
    assert answer["prediction_sets"] == [["cat", "ä☃"], ["dog", "ä☃"]]
    assert answer["typicality"] == [1.0, 0.1]


def test_more_labels_than_the_model_has_are_refused() -> None:
    with pytest.raises(InvalidBody, match="top_k: Input should be at most 3"):
        predict(LOGITS, top_k=4)


def test_coverage_by_class_takes_the_threshold_of_each_label_and_names_labels_with_too_few_rows() -> None:
    # −ln p is 2.41, 0.41 and 1.41 in the first row; 0.72, 3.72 and 0.72 in the second
    answer = predict(LOGITS, include=["prediction_sets"], coverage=0.8, coverage_by="class")

    assert answer["prediction_sets"] == [["ä☃", "dog"], ["dog", "ä☃"]]  # up to 3, 0.3 and the marginal 2
    assert answer["not_guaranteed"] == ["ä☃"]
    assert predict(LOGITS, include=["prediction_sets"], coverage=0.5, coverage_by="class")["not_guaranteed"] == []
    assert "not_guaranteed" not in predict(LOGITS, include=["typicality"], coverage_by="class")
    for marginal in ({}, {"coverage_by": "marginal"}):
        assert "not_guaranteed" not in predict(LOGITS, include=["prediction_sets"], **marginal)


def test_coverage_by_class_needs_calibration_scores_by_label() -> None:
    older = MANIFEST.model_copy(update={"calibration": CALIBRATION.model_copy(update={"by_label": None})})
    body = {"instances": [[0, 0]], "coverage_by": "class"}

    with pytest.raises(InvalidBody) as refused:
        decode_predict(json.dumps({**body, "include": ["prediction_sets"]}).encode(), older, max_rows=1)

    assert list(refused.value.problems) == [
        {
            "type": "not_calibrated",
            "loc": ["coverage_by"],
            "msg": "class needs calibration scores by label, which the manifest of zoo version 7 does not have",
        }
    ]
    assert decode_predict(json.dumps({**body, "include": ["typicality"]}).encode(), older, max_rows=1).include


@pytest.mark.parametrize("field", ["prediction_sets", "typicality"])
def test_a_model_without_calibration_data_refuses_the_fields_that_need_them(field: str) -> None:
    manifest = MANIFEST.model_copy(update={"calibration": None})
    body = json.dumps({"instances": [[0, 0]], "include": ["logits", field]}).encode()

    with pytest.raises(InvalidBody) as refused:
        decode_predict(body, manifest, max_rows=1)

    assert [(each["type"], list(each["loc"])) for each in refused.value.problems] == [
        ("not_calibrated", ["include", 1])
    ]


def test_an_output_that_is_not_finite_is_refused_with_its_row() -> None:
    with pytest.raises(OutputNotFinite) as refused:
        predict([[0.0, 1.0, 2.0], [0.0, float("nan"), 1.0]], include=["logits"])

    assert refused.value.row == 1
