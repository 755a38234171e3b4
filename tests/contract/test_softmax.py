"""POST /softmax, by HTTP."""

import httpx
import pytest

ARTICLE = [0.01573172289563198, 0.03501159317993099, 0.9492566839244371]
FOUR_ULP = 1e-15  # NumPy's exponential has other last digits on other processors


def test_answers_the_article_s_example(client: httpx.Client) -> None:
    response = client.post("/softmax", json={"logits": [0.7, 1.5, 4.8]})

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"probabilities": pytest.approx(ARTICLE, rel=FOUR_ULP)}


def test_answers_the_article_s_airplane(client: httpx.Client) -> None:
    body = {"logits": [-3.44, 1.16, -0.81, 3.91], "targets": 3, "include": ["loss"]}

    answer = client.post("/softmax", json=body).json()

    assert round(answer["probabilities"][3], 4) == 0.9315
    assert round(answer["loss"], 4) == 0.0709


def test_answers_a_matrix_row_by_row(client: httpx.Client) -> None:
    body = {"logits": [[0.7, 1.5, 4.8], [1000, 1000, 0]], "targets": [2, 0], "include": ["loss", "entropy"]}

    answer = client.post("/softmax", json=body).json()

    assert answer == {
        "probabilities": [pytest.approx(ARTICLE, rel=FOUR_ULP), [0.5, 0.5, 0.0]],
        "loss": [pytest.approx(0.05207603, abs=1e-8), 0.6931471805599453],
        "entropy": [pytest.approx(0.23211436, abs=1e-8), 0.6931471805599453],
    }


def test_answers_every_field_that_is_included(client: httpx.Client) -> None:
    include = ["log_probabilities", "loss", "entropy", "sigmoid"]

    answer = client.post("/softmax", json={"logits": [0, 0], "targets": 1, "include": include}).json()

    assert answer == {
        "probabilities": [0.5, 0.5],
        "log_probabilities": [-0.6931471805599453, -0.6931471805599453],
        "loss": 0.6931471805599453,
        "entropy": 0.6931471805599453,
        "sigmoid": [0.5, 0.5],
    }


def test_divides_by_the_temperature(client: httpx.Client) -> None:
    warm = client.post("/softmax", json={"logits": [0, 2], "temperature": 2}).json()

    assert warm == client.post("/softmax", json={"logits": [0, 1]}).json()


@pytest.mark.parametrize(
    "logits",
    [
        [0],
        [710, 711],
        [-1.7976931348623157e308, 1.7976931348623157e308],
        [1e308, 1e308, -1e308],
        [5e-324, -0.0],
        [[1], [2]],
    ],
)
def test_stays_finite_for_all_finite_logits(client: httpx.Client, logits: list[float]) -> None:
    include = ["log_probabilities", "entropy", "sigmoid"]

    response = client.post("/softmax", json={"logits": logits, "include": include})

    assert response.status_code == 200
    assert "null" not in response.text


def test_takes_the_last_value_of_a_duplicate_key(client: httpx.Client) -> None:
    response = client.post("/softmax", content=b'{"logits": [1, 2], "logits": [3]}')

    assert (response.status_code, response.json()) == (200, {"probabilities": [1.0]})


@pytest.mark.parametrize(
    ("body", "error", "loc"),
    [
        ({}, "missing", ["logits"]),
        ({"logits": []}, "too_short", ["logits"]),
        ({"logits": [[]]}, "too_short", ["logits", 0]),
        ({"logits": [[1, 2], [3]]}, "row_length", ["logits", 1]),
        ({"logits": [[1, 2], 3]}, "list_type", ["logits", 1]),
        ({"logits": [1, [2]]}, "float_type", ["logits", 1]),
        ({"logits": [1, "2"]}, "float_type", ["logits", 1]),
        ({"logits": [[1, "2"]]}, "float_type", ["logits", 0, 1]),
        ({"logits": [True]}, "float_type", ["logits", 0]),
        ({"logits": [None]}, "float_type", ["logits", 0]),
        ({"logits": [{}]}, "float_type", ["logits", 0]),
        ({"logits": 1}, "list_type", ["logits"]),
        ({"logits": "12"}, "list_type", ["logits"]),
        ({"logits": {"0": 1}}, "list_type", ["logits"]),
        ({"logits": [1], "temperature": 0}, "greater_than", ["temperature"]),
        ({"logits": [1], "temperature": -1}, "greater_than", ["temperature"]),
        ({"logits": [1], "temperature": "1"}, "float_type", ["temperature"]),
        ({"logits": [1], "temperature": None}, "float_type", ["temperature"]),
        ({"logits": [1], "include": ["loss"]}, "missing", ["targets"]),
        ({"logits": [1], "include": ["typicality"]}, "literal_error", ["include", 0]),
        ({"logits": [1], "include": "loss"}, "list_type", ["include"]),
        ({"logits": [1, 2], "targets": 2}, "less_than", ["targets"]),
        ({"logits": [1, 2], "targets": -1}, "greater_than_equal", ["targets"]),
        ({"logits": [1, 2], "targets": 1.5}, "int_type", ["targets"]),
        ({"logits": [1, 2], "targets": True}, "int_type", ["targets"]),
        ({"logits": [1, 2], "targets": 10**30}, "less_than", ["targets"]),
        ({"logits": [1, 2], "targets": [0]}, "targets_shape", ["targets"]),
        ({"logits": [[1, 2]], "targets": 0}, "targets_shape", ["targets"]),
        ({"logits": [[1, 2]], "targets": [0, 1]}, "targets_shape", ["targets"]),
        ({"logits": [[1, 2], [1, 2]], "targets": [0, 2]}, "less_than", ["targets", 1]),
        ({"logits": [1], "logit": [1]}, "extra_forbidden", ["logit"]),
        ({"logits": [1], "rows": 1}, "extra_forbidden", ["rows"]),
    ],
)
def test_an_error_names_its_place(client: httpx.Client, body: object, error: str, loc: list[str | int]) -> None:
    response = client.post("/softmax", json=body)

    problem = response.json()["detail"][0]
    assert (response.status_code, problem["type"], problem["loc"]) == (422, error, loc)
    assert problem["msg"]
