"""POST …/predict, by HTTP, against the committed blobs classifier."""

from collections.abc import Sequence

import httpx
import numpy as np
import pytest

from softmaxd.models.engine import Engine
from tests.support.arrays import float32
from tests.support.paths import MODELS

NEAR_THE_CENTRES = [[15.2, 0.3], [14.8, 15.1], [0.1, 14.7], [30.3, 14.9]]
LABELS = ["blob-0", "blob-1", "blob-2", "blob-3"]


def test_answers_each_row_by_its_blob(client: httpx.Client, version: str) -> None:
    response = client.post("/predict", json={"instances": NEAR_THE_CENTRES})

    answer = response.json()
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert list(answer) == ["model", "version", "labels", "probabilities"]
    assert (answer["model"], answer["version"], answer["labels"]) == ("blobs", version, LABELS)
    assert np.allclose(float32(answer["probabilities"]).sum(axis=1), 1)


def test_answers_the_very_numbers_of_the_onnx_file(client: httpx.Client, version: str) -> None:
    engine = Engine(MODELS / "blobs" / version / "model.onnx", device="cpu")
    body = {"instances": NEAR_THE_CENTRES, "include": ["logits", "log_probabilities"]}

    answer = client.post("/predict", json=body).json()

    outputs = engine.run(float32(NEAR_THE_CENTRES))
    assert float32(answer["probabilities"]).tobytes() == outputs["probabilities"].tobytes()
    assert float32(answer["logits"]).tobytes() == outputs["logits"].tobytes()
    assert np.allclose(np.exp(answer["log_probabilities"]), answer["probabilities"], atol=1e-6)


def test_far_from_all_data_the_softmax_is_sure_and_the_typicality_low(client: httpx.Client) -> None:
    far = [[15, 200], [-100, -100]]

    answer = client.post("/predict", json={"instances": [*NEAR_THE_CENTRES, *far], "include": ["typicality"]}).json()

    assert [f"{max(row):.3f}" for row in answer["probabilities"]] == ["1.000"] * 6
    assert min(answer["typicality"][:4]) > 0.5
    assert max(answer["typicality"][4:]) < 0.01


@pytest.mark.parametrize("path", ["/models/blobs/predict", "/models/blobs/versions/{}/predict"])
def test_a_named_model_answers_as_the_default_one(client: httpx.Client, version: str, path: str) -> None:
    body = {"instances": NEAR_THE_CENTRES}

    assert client.post(path.format(version), json=body).json() == client.post("/predict", json=body).json()


def test_takes_rows_by_feature_name_in_any_order(client: httpx.Client) -> None:
    by_name = client.post("/predict", json={"instances": [{"x2": 0.3, "x1": 15.2}]}).json()

    assert by_name == client.post("/predict", json={"instances": [[15.2, 0.3]]}).json()


@pytest.mark.parametrize("top_k", [1, 2, 4])
def test_ranks_the_top_labels(client: httpx.Client, top_k: int) -> None:
    answer = client.post("/predict", json={"instances": NEAR_THE_CENTRES, "top_k": top_k}).json()

    every = client.post("/predict", json={"instances": NEAR_THE_CENTRES}).json()["probabilities"]
    assert "probabilities" not in answer
    for ranked, probabilities, label in zip(answer["top"], every, answer["labels"], strict=True):
        assert ranked[0]["label"] == label
        assert [item["probability"] for item in ranked] == sorted(probabilities, reverse=True)[:top_k]
        assert len({item["label"] for item in ranked}) == top_k


def test_takes_as_many_rows_as_its_limit(client: httpx.Client) -> None:
    response = client.post("/predict", json={"instances": [[1, 2]] * 100_000})

    assert len(response.json()["labels"]) == 100_000


def test_refuses_more_rows_than_its_limit(client: httpx.Client) -> None:
    response = client.post("/predict", json={"instances": [[1, 2]] * 100_001})

    assert response.status_code == 413
    assert response.json() == {"detail": "100001 rows are more than the 100000 that one request may have"}
    assert response.headers["connection"] == "close"


def problem_of(response: httpx.Response) -> tuple[int, str, Sequence[str | int]]:
    problem = response.json()["detail"][0]
    return response.status_code, problem["type"], problem["loc"]


@pytest.mark.parametrize(
    ("body", "error", "loc"),
    [
        ({}, "missing", ["instances"]),
        ([], "dict_type", []),
        ([None], "dict_type", []),
        ("instances", "dict_type", []),
        ({"instances": []}, "too_short", ["instances"]),
        ({"instances": None}, "list_type", ["instances"]),
        ({"instances": {"x1": 1, "x2": 2}}, "list_type", ["instances"]),
        ({"instances": [1, 2]}, "list_type", ["instances", 0]),
        ({"instances": [[]]}, "row_length", ["instances", 0]),
        ({"instances": [[1, 2], [1]]}, "row_length", ["instances", 1]),
        ({"instances": [[1, 2, 3]]}, "row_length", ["instances", 0]),
        ({"instances": [[1, "2"]]}, "float_type", ["instances", 0, 1]),
        ({"instances": [[1, True]]}, "float_type", ["instances", 0, 1]),
        ({"instances": [[1, None]]}, "float_type", ["instances", 0, 1]),
        ({"instances": [[1, [2]]]}, "float_type", ["instances", 0, 1]),
        ({"instances": [[1, 2], {"x1": 1, "x2": 2}]}, "list_type", ["instances", 1]),
        ({"instances": [{"x1": 1, "x2": 2}, [1, 2]]}, "dict_type", ["instances", 1]),
        ({"instances": [{"x1": 1}]}, "missing", ["instances", 0, "x2"]),
        ({"instances": [{"x1": 1, "x2": 2, "x3": 3}]}, "extra_forbidden", ["instances", 0, "x3"]),
        ({"instances": [{"x1": 1, "x2": "2"}]}, "float_type", ["instances", 0, "x2"]),
        ({"instances": [{"x1": 1, "x2": 1e39}]}, "finite_number", ["instances", 0, "x2"]),
        ({"instances": [[1, 1e39]]}, "finite_number", ["instances", 0, 1]),
        ({"instances": [[1, 2], [-3.5e38, 2]]}, "finite_number", ["instances", 1, 0]),
        ({"instances": [[3.4e38, 3.4e38]]}, "too_large", ["instances", 0]),
        ({"instances": [[1, 2]], "top_k": 0}, "greater_than_equal", ["top_k"]),
        ({"instances": [[1, 2]], "top_k": 5}, "less_than_equal", ["top_k"]),
        ({"instances": [[1, 2]], "top_k": 1.0}, "int_type", ["top_k"]),
        ({"instances": [[1, 2]], "top_k": True}, "int_type", ["top_k"]),
        ({"instances": [[1, 2]], "include": ["entropy"]}, "literal_error", ["include", 0]),
        ({"instances": [[1, 2]], "parameters": {}}, "extra_forbidden", ["parameters"]),
    ],
)
def test_an_error_names_its_place(client: httpx.Client, body: object, error: str, loc: list[str | int]) -> None:
    response = client.post("/predict", json=body)

    assert problem_of(response) == (422, error, loc)


def test_a_misspelt_feature_is_named_with_the_nearest_name(client: httpx.Client) -> None:
    response = client.post("/predict", json={"instances": [{"x1": 1, "X2": 3}]})

    assert response.status_code == 422
    assert response.json()["detail"] == [
        {"type": "missing", "loc": ["instances", 0, "x2"], "msg": "Field required"},
        {
            "type": "extra_forbidden",
            "loc": ["instances", 0, "X2"],
            "msg": "Extra inputs are not permitted; the nearest feature is x2",
        },
    ]


def test_an_empty_row_by_name_misses_every_feature(client: httpx.Client) -> None:
    response = client.post("/predict", json={"instances": [{}]})

    assert response.status_code == 422
    assert [(problem["type"], problem["loc"][2]) for problem in response.json()["detail"]] == [
        ("missing", "x1"),
        ("missing", "x2"),
    ]


def test_reports_at_most_ten_problems_in_8_kib(client: httpx.Client) -> None:
    body = {"instances": [[1, 2]], **{f"{number}{'é' * 10_000}": 1 for number in range(50)}}

    response = client.post("/predict", json=body)

    assert (response.status_code, len(response.json()["detail"])) == (422, 10)
    assert len(response.content) < 8 * 1024


def test_counts_problems_that_are_too_many_to_list(client: httpx.Client) -> None:
    response = client.post("/predict", json=dict.fromkeys(map(str, range(50_000)), 1))

    assert problem_of(response) == (422, "too_many_errors", [])
    assert "50001 errors" in response.json()["detail"][0]["msg"]
