"""The OpenAPI document of one model, which describes its rows and labels, and the features of its entry."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.server import Server
from tests.support.tables import publish_mixed

ODD = {"age": "41", "job": 7, "income": None, "member": 1, "children": 2.5, "city": None}
RIGHT: dict[str, st.SearchStrategy[Any]] = {
    "age": st.one_of(st.none(), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    "job": st.one_of(st.none(), st.sampled_from(["clerk", "cook", ""]), st.text(max_size=5)),
    "income": st.one_of(st.integers(-(2**53), 2**53), st.floats(-1e30, 1e30)),
    "member": st.booleans(),
    "children": st.one_of(st.integers(-99, 99), st.just(3.0)),
    "city": st.sampled_from(["Rome", "Oslo", "Bern"]),
}
Json = dict[str, Any]


@pytest.fixture(scope="module", params=["on", "off"], ids="express={}".format)
def people(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a service of one table."""
    folder: Path = tmp_path_factory.mktemp("typed")
    publish_mixed(folder)
    server = Server("--models-dir", str(folder), environment={"SOFTMAXD_EXPRESS": request.param})
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client
    assert server.stop() == 0


@st.composite
def rows(draw: st.DrawFn) -> Json:
    """Draw a row, in which up to two features are wrong or absent."""
    row = {name: draw(values) for name, values in RIGHT.items()}
    for name in draw(st.lists(st.sampled_from(sorted(RIGHT)), max_size=2)):
        if draw(st.booleans()):
            row.pop(name, None)
        else:
            row[name] = ODD[name]
    return row


def test_a_row_is_accepted_if_it_is_valid(people: httpx.Client) -> None:
    schemas = people.get("/models/people/openapi.json").json()["components"]["schemas"]
    row_of = jsonschema_rs.Draft202012Validator(schemas["Row"])
    reply = jsonschema_rs.Draft202012Validator(
        {"$ref": "#/components/schemas/PredictReply", "components": {"schemas": schemas}}
    )

    @given(rows())
    def check(row: Json) -> None:
        answer = people.post("/models/people/predict", json={"instances": [row]})
        assert answer.status_code == (200 if row_of.is_valid(row) else 422), answer.text
        assert answer.status_code == 422 or reply.is_valid(answer.json())

    check()


def test_a_feature_has_the_words_of_a_client(people: httpx.Client) -> None:
    features = {each["name"]: each for each in people.get("/models/people").json()["features"]}

    assert {name: each["type"] for name, each in features.items()} == {
        "age": "number",
        "job": "string",
        "income": "number",
        "member": "boolean",
        "children": "integer",
        "city": "string",
    }
    assert features["age"] == {
        "name": "age",
        "min": 18.0,
        "max": 90.0,
        "shape": [],
        "datatype": None,
        "input": "numbers",
        "column": 1,
        "nullable": True,
        "missing": "",
        "values": [],
        "categories": [],
        "only_categories": False,
        "type": "number",
    }


def test_the_default_model_answers_without_its_name_too(people: httpx.Client) -> None:
    document = people.get("/models/people/openapi.json").json()
    version = people.get("/models/people/versions/1/openapi.json").json()

    assert document["info"]["title"] == "people"
    assert list(document["paths"]) == ["/models/people/predict", "/predict"]
    assert list(version["paths"]) == ["/models/people/versions/1/predict"]
    assert version["components"] == document["components"]
    for path, entry in [*document["paths"].items(), *version["paths"].items()]:
        example = entry["post"]["requestBody"]["content"]["application/json"]["example"]
        assert people.post(path, json=example).status_code == 200


@pytest.mark.parametrize("name", ["blobs", "iris", "digits"])
def test_every_model_has_its_document(client: httpx.Client, name: str) -> None:
    described = client.get(f"/models/{name}").json()

    answer = client.get(f"/models/{name}/openapi.json")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    document = answer.json()
    assert ("/predict" in document["paths"]) == described["default"]
    assert document["components"]["schemas"]["Label"]["enum"] == described["classes"]
    assert list(document["components"]["schemas"]["Row"]["properties"]) == [
        feature["name"] for feature in described["features"]
    ]


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("roses/openapi.json", "There is no such model; GET /models lists the models that are served"),
        ("%F0%9F%8C%B9/openapi.json", "There is no such model; GET /models lists the models that are served"),
        ("roses/versions/1/openapi.json", "There is no such model; GET /models lists the models that are served"),
        (
            "blobs/versions/x/openapi.json",
            "There is no such version of this model; GET /models lists the versions that are served",
        ),
        ("a%2Fb/openapi.json", "Not Found"),
        ("blobs/openapi.yaml", "Not Found"),
        ("blobs/versions/1/openapi.yaml", "The pictures of a card are PNG or SVG"),
    ],
)
def test_other_models_have_none(client: httpx.Client, path: str, detail: str) -> None:
    answer = client.get(f"/models/{path}")

    assert (answer.status_code, answer.json()) == (404, {"detail": detail})
