import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from softmaxd.client.answers import Model
from softmaxd.client.calls import Calls
from softmaxd.client.errors import InvalidRequest, NotFound, TooLarge
from softmaxd.client.retries import Retries
from softmaxd.client.steps import Call, Reply, Send

ENTRY = {
    "name": "m",
    "version": "1",
    "default": True,
    "state": "ready",
    "classes": ["a", "b"],
    "features": [{"name": "x", "datatype": None}],
    "datatype": "FP64",
}


class Service:
    """Answers requests as softmaxd does; the class of a row is 1 if its number is positive."""

    def __init__(
        self, most_rows: int = 100, version: str = "1", refuse: str = "{rows} rows are more than the {most}"
    ) -> None:
        self.most_rows = most_rows
        self.version = version
        self.datatype = "FP64"
        self.refuse = refuse
        self.asked: list[tuple[str, int]] = []

    def __call__(self, request: Send) -> Reply:
        if request.method == "GET":
            entry = {**ENTRY, "version": self.version, "datatype": self.datatype}
            self.asked.append((request.path, 0))
            return _reply(200, entry if request.path != "/models" else {"models": [{**entry, "default": False}, entry]})
        body = json.loads(request.content)
        rows = body["instances"] if "instances" in body else [[x] for x in body["inputs"][0]["data"]]
        self.asked.append((request.path, len(rows)))
        if len(rows) > self.most_rows:
            sentence = self.refuse.format(rows=len(rows), most=self.most_rows)
            return _reply(413, {"detail": f"{sentence} that one request may have"})
        if "nan" in map(str, np.ravel(rows)):
            return _reply(422, {"detail": [{"type": "finite_number", "loc": ["instances", 0, 0], "msg": "finite"}]})
        probabilities = [[1.0 - (x > 0), float(x > 0)] for (x,) in rows]
        if "instances" in body:
            labels = ["ab"[x > 0] for (x,) in rows]
            answer = {"model": "m", "version": self.version, "labels": labels, "probabilities": probabilities}
            return _reply(200, answer)
        output = {
            "name": "probabilities",
            "datatype": "FP32",
            "shape": [len(rows), 2],
            "data": np.ravel(probabilities).tolist(),
        }
        return _reply(200, {"model_version": self.version, "outputs": [output]})


def _reply(status: int, answer: Any) -> Reply:
    return Reply(status, {}, json.dumps(answer).encode())


def run(call: Call[Any], service: Callable[[Send], Reply]) -> Any:
    """Answer each request of a call by the service, and return its result."""
    step = next(call)
    try:
        while True:
            assert isinstance(step, Send)
            step = call.send(service(step))
    except StopIteration as end:
        return end.value


@pytest.fixture
def calls() -> Calls:
    return Calls(Retries())


def test_a_table_is_sent_in_parts_of_the_size_that_the_service_names(calls: Calls) -> None:
    service, seen = Service(most_rows=4), []

    answer = run(calls.predict([[1.0], [-1.0]] * 5, progress=lambda done, rows: seen.append((done, rows))), service)

    assert answer.labels.tolist() == ["b", "a"] * 5
    pinned = "/models/m/versions/1/predict"
    assert service.asked == [("/predict", 10), ("/predict", 4), (pinned, 4), (pinned, 2)]
    assert seen == [(4, 10), (8, 10), (10, 10)]


def test_the_limit_is_learnt(calls: Calls) -> None:
    service = Service(most_rows=4)
    run(calls.predict([[1.0]] * 10), service)
    service.asked.clear()

    run(calls.predict([[1.0]] * 5), service)

    assert [rows for _, rows in service.asked] == [4, 1]


def test_parts_are_halved_where_the_service_names_no_number(calls: Calls) -> None:
    service = Service(most_rows=3, refuse="The body is too large: {rows}")

    run(calls.predict([[1.0]] * 10), service)

    assert [rows for _, rows in service.asked] == [10, 5, 2, 2, 2, 2, 2]


@pytest.mark.parametrize("most_rows", [0, 1])
def test_a_row_that_does_not_fit_is_refused(calls: Calls, most_rows: int) -> None:
    service = Service(most_rows=most_rows, refuse="larger" if most_rows else "{rows} rows are more than the {most}")

    with pytest.raises(TooLarge):
        run(calls.predict([[1.0]] * 3), lambda request: Reply(413, {}, service(request).content))


def test_a_wide_table_begins_with_fewer_rows(calls: Calls) -> None:
    sizes: list[int] = []

    def answer(request: Send) -> Reply:
        sizes.append(len(json.loads(request.content)["instances"]))
        return _reply(200, {"model": "m", "version": "1", "labels": ["a"] * sizes[-1]})

    run(calls.predict([[0] * 250_000] * 3), answer)

    assert sizes == [2, 1]


def test_the_place_of_a_later_part_is_counted_in_the_table(calls: Calls) -> None:
    with pytest.raises(InvalidRequest) as raised:
        run(calls.predict([[1.0]] * 4 + [[float("nan")]]), Service(most_rows=4))

    assert raised.value.place == ("instances", 4, 0)


@pytest.mark.parametrize("top_k", [0, 3])
def test_infer_asks_for_no_more_labels_than_there_are(calls: Calls, top_k: int) -> None:
    service = Service()

    with pytest.raises(InvalidRequest, match=r"^top_k should be from 1 to 2, the number of classes$"):
        run(calls.infer([[1.0]], top_k=top_k), service)

    assert service.asked == [("/models", 0)]


def test_infer_asks_for_the_description_once(calls: Calls) -> None:
    service = Service()

    first = run(calls.infer([[1.0]]), service)
    run(calls.infer([[1.0], [2.0]]), service)

    assert first.labels.tolist() == ["b"]
    assert [path for path, _ in service.asked] == ["/models", "/v2/models/m/infer", "/v2/models/m/infer"]


def test_infer_asks_for_the_description_of_each_version_once(calls: Calls) -> None:
    service = Service()
    run(calls.infer([[1.0]]), service)
    service.asked.clear()

    for version in "2121":
        service.version = version
        assert run(calls.infer([[1.0]]), service).version == version

    infer, versions = "/v2/models/m/infer", "/models/m/versions/"
    assert [path for path, _ in service.asked] == [infer, versions + "2", infer, infer, infer]


def test_infer_sends_the_datatype_of_a_version_that_answered(calls: Calls) -> None:
    service = Service()
    run(calls.infer([[1.0]], model="m"), service)
    service.version, service.datatype = "2", "FP32"
    run(calls.infer([[1.0]], model="m"), service)
    service.asked.clear()

    run(calls.infer([[1.0]], model="m"), service)

    assert service.asked[0] == ("/models/m", 0)


def test_infer_asks_again_when_another_version_answers(calls: Calls) -> None:
    service = Service()
    run(calls.infer([[1.0]], model="m"), service)
    service.version = "2"
    service.asked.clear()

    answer = run(calls.infer([[1.0]], model="m"), service)

    assert answer.version == "2"
    assert [path for path, _ in service.asked] == ["/v2/models/m/infer", "/models/m/versions/2"]


def test_infer_stays_with_the_version_of_the_first_part(calls: Calls) -> None:
    service = Service(most_rows=2)

    run(calls.infer([[1.0]] * 3, model="m"), service)

    assert [path for path, _ in service.asked][2:] == ["/v2/models/m/infer", "/v2/models/m/versions/1/infer"]


def test_infer_asks_for_the_description_again_after_a_refusal(calls: Calls) -> None:
    service = Service()
    with pytest.raises(InvalidRequest):
        run(calls.infer([[float("nan")]], model="m"), service)
    service.asked.clear()

    run(calls.infer([[1.0]], model="m"), service)

    assert service.asked[0] == ("/models/m", 0)


def test_a_version_needs_a_name(calls: Calls) -> None:
    for call in (calls.predict([[1]], version="1"), calls.model(version="1"), calls.infer([[1]], version="1")):
        with pytest.raises(InvalidRequest, match=r"^A version needs the model's name, too$"):
            next(call)


def test_a_name_is_quoted(calls: Calls) -> None:
    step = next(calls.model("a/b", "1?"))

    assert isinstance(step, Send)
    assert step.path == "/models/a%2Fb/versions/1%3F"


@pytest.mark.parametrize(("name", "version"), [("", None), ("..", None), ("m", ""), ("m", "."), ("m", 1)])
def test_a_name_that_leads_elsewhere_is_refused(calls: Calls, name: str, version: Any) -> None:
    for call in (calls.predict([[1]], model=name, version=version), calls.infer([[1]], model=name, version=version)):
        with pytest.raises(
            InvalidRequest, match=r"^A model or a version is named by a text, such as 'blobs' or '1', not"
        ):
            next(call)


def test_a_service_without_a_default_model_has_none(calls: Calls) -> None:
    with pytest.raises(NotFound, match=r"^The service has no default model"):
        run(calls.model(), lambda _: _reply(200, {"models": []}))


def test_models_are_listed(calls: Calls) -> None:
    models = run(calls.models(), Service())

    assert all(isinstance(model, Model) for model in models)
    assert [model.is_default for model in models] == [False, True]


def test_softmax_sends_the_fields_that_are_given(calls: Calls) -> None:
    step = next(calls.softmax(np.array([1.0, 2.0]), targets=1, include=["loss"]))

    assert isinstance(step, Send)
    assert json.loads(step.content) == {"logits": [1, 2], "temperature": 1.0, "targets": 1, "include": ["loss"]}
