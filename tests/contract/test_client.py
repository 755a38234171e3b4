"""`softmaxd.client` against the service: the same numbers as bare HTTP, and its errors as exceptions."""

import asyncio
from collections.abc import Iterator
from typing import Any, Literal

import httpx
import numpy as np
import pandas as pd
import pytest

from softmaxd.client import AsyncClient, Client, InvalidRequest, NotFound, TooLarge
from softmaxd.client.answers import Prediction
from softmaxd.client.calls import Field

ROWS = [[10.5, 4.6], [15.0, 0.0], [16.0, 1.0], [15.0, 200.0]]
FIELDS: tuple[Field, ...] = ("logits", "log_probabilities", "prediction_sets", "typicality")
NUMBERS = ("probabilities", "logits", "log_probabilities", "typicality")


@pytest.fixture(scope="module")
def called(base_url: str) -> Iterator[Client]:
    with Client(base_url) as client:
        yield client


@pytest.fixture(scope="module")
def table() -> np.ndarray[Any, np.dtype[np.float32]]:
    """Rows that need several requests: more than the service takes in one."""
    return np.random.default_rng(7).normal(5, 10, (100_003, 2)).astype(np.float32)


def test_a_prediction_has_the_numbers_of_the_bare_answer(called: Client, client: httpx.Client) -> None:
    bare = client.post("/predict", json={"instances": ROWS, "include": list(FIELDS)}).json()

    answer = called.predict(ROWS, include=FIELDS)

    assert (answer.model, answer.version) == (bare["model"], bare["version"])
    assert answer.labels.tolist() == bare["labels"]
    assert answer.prediction_sets == bare["prediction_sets"]
    for name in NUMBERS:
        numbers = getattr(answer, name)
        assert [str(number) for number in numbers.ravel()] == [
            str(numbers.dtype.type(number)) for number in np.ravel(bare[name])
        ]


@pytest.mark.parametrize(
    "instances",
    [
        np.array(ROWS),
        np.array(ROWS, dtype=np.float32).astype(np.float64),
        [tuple(row) for row in ROWS],
        [np.array(row) for row in ROWS],
        [{"x2": row[1], "x1": np.float64(row[0])} for row in ROWS],
        {"x2": [row[1] for row in ROWS], "x1": np.array(ROWS)[:, 0]},
        pd.DataFrame({"x2": [row[1] for row in ROWS], "x1": [row[0] for row in ROWS]}),
    ],
    ids=["array", "rounded", "tuples", "arrays", "records", "columns", "pandas"],
)
def test_every_form_of_rows_has_the_same_answer(called: Client, instances: Any) -> None:
    answer = called.predict(instances, model="blobs")

    np.testing.assert_array_equal(answer.probabilities, called.predict(ROWS).probabilities)


def test_infer_has_the_numbers_and_labels_of_predict(called: Client) -> None:
    for rows in (ROWS, ROWS * 500):  # in JSON, and in bytes
        predicted = called.predict(rows, model="blobs", include=["logits", "typicality"])

        inferred = called.infer(rows, model="blobs", include=["logits", "typicality"])

        assert inferred.version == predicted.version
        assert inferred.labels.tolist() == predicted.labels.tolist()
        for name in ("probabilities", "logits", "typicality"):
            assert getattr(inferred, name).tobytes() == getattr(predicted, name).tobytes()


@pytest.mark.parametrize("rows", [ROWS, ROWS * 500], ids=["JSON", "bytes"])
@pytest.mark.parametrize("coverage_by", [None, "marginal", "class"])
def test_infer_has_every_field_of_predict(
    called: Client, rows: list[list[float]], coverage_by: Literal["marginal", "class"] | None
) -> None:
    answers = [
        call(rows, model="blobs", include=FIELDS, top_k=3, coverage=0.99, coverage_by=coverage_by)
        for call in (called.predict, called.infer)
    ]

    predicted, inferred = answers
    assert set(inferred.fields) == set(predicted.fields)
    assert inferred.top == predicted.top
    assert inferred.prediction_sets == predicted.prediction_sets
    assert inferred.fields.get("not_guaranteed") == predicted.fields.get("not_guaranteed")
    np.testing.assert_array_max_ulp(inferred.log_probabilities, predicted.log_probabilities)


@pytest.mark.parametrize("top_k", [0, 5])
def test_more_top_labels_than_classes_are_refused(called: Client, top_k: int) -> None:
    for call in (called.predict, called.infer):
        with pytest.raises(InvalidRequest, match=r"top_k"):
            call(ROWS, model="blobs", top_k=top_k)


def test_a_table_over_the_limits_is_sent_in_parts(called: Client, client: httpx.Client, table: Any) -> None:
    seen: list[tuple[int, int]] = []

    answer = called.infer(table, progress=lambda done, rows: seen.append((done, rows)))

    assert client.post("/predict", json={"instances": table.tolist()}).status_code == 413
    assert seen == [(100_000, 100_003), (100_003, 100_003)]
    assert answer.probabilities.shape == (100_003, 4)
    last = called.predict(table[-5:])
    assert answer.probabilities[-5:].tobytes() == last.probabilities.tobytes()


def test_a_picture_is_a_row_of_rows(called: Client) -> None:
    pictures = np.arange(128.0).reshape(2, 8, 8) % 16

    answer = called.infer(pictures, model="digits")

    assert answer.probabilities.tobytes() == called.predict(pictures, model="digits").probabilities.tobytes()


def test_top_labels_come_in_place_of_probabilities(called: Client) -> None:
    answer = called.predict(ROWS[:1], top_k=2)

    assert [label for label, _ in answer.top[0]] == ["blob-3", "blob-1"]
    with pytest.raises(InvalidRequest, match=r"no probabilities: this call did not ask for it"):
        _ = answer.probabilities


def test_softmax_has_the_bare_numbers(called: Client, client: httpx.Client) -> None:
    bare = client.post("/softmax", json={"logits": [0.7, 1.5, 4.8], "targets": 2, "include": ["loss"]}).json()

    answer = called.softmax(np.array([0.7, 1.5, 4.8]), targets=2, include=["loss"])

    assert answer.probabilities.tolist() == bare["probabilities"]
    assert answer.loss is not None
    assert float(answer.loss) == bare["loss"]
    assert answer.entropy is None


def test_models_are_described(called: Client, version: str) -> None:
    models = called.models()

    assert {model.name for model in models} >= {"blobs", "iris", "digits"}
    assert called.model() == called.model("blobs") == called.model("blobs", version)
    assert called.model("blobs").features == ("x1", "x2")
    assert called.model("blobs").classes == ("blob-0", "blob-1", "blob-2", "blob-3")


def test_a_wrong_row_is_an_exception_with_its_place(called: Client) -> None:
    with pytest.raises(InvalidRequest, match=r"^instances\[1\]\[0\]: Input should be a valid number$") as raised:
        called.predict([[1, 2], ["1", 2]])

    assert raised.value.status == 422
    assert raised.value.place == ("instances", 1, 0)
    assert raised.value.problems[0].type == "float_type"


def test_the_place_in_a_later_part_is_that_in_the_table(called: Client, table: Any) -> None:
    rows = [*table.tolist(), [1.0]]

    with pytest.raises(InvalidRequest, match=r"^instances\[100003\]: Input should be 2 numbers") as raised:
        called.predict(rows)

    assert raised.value.place == ("instances", 100_003)


def test_an_unknown_model_is_not_found(called: Client) -> None:
    for call in (called.predict, called.infer):
        with pytest.raises(NotFound, match=r"^There is no such model") as raised:
            call(ROWS, model="roses")

        assert raised.value.status == 404


def test_a_row_that_is_too_large_alone_is_refused(called: Client) -> None:
    with pytest.raises(TooLarge, match=r"^The body is larger than \d+ bytes$"):
        called.predict([[0.1] * 3_000_000])


def test_an_asynchronous_client_has_the_same_answers(called: Client, base_url: str) -> None:
    async def ask() -> list[Prediction]:
        async with AsyncClient(base_url) as client:
            assert await client.models() == called.models()
            return await asyncio.gather(*(client.predict([row]) for row in ROWS), client.infer(ROWS))

    *single, together = asyncio.run(ask())

    assert [answer.labels[0] for answer in single] == together.labels.tolist()
