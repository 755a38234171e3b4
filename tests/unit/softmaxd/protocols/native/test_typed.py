from typing import Any

import pytest

from softmaxd.app import create_app
from softmaxd.models.calibration import Calibration, LabelCalibration
from softmaxd.models.manifest import Manifest
from softmaxd.models.row_schema import row_schema
from softmaxd.protocols.native.typed import document_of
from softmaxd.settings import Settings
from tests.support.manifests import manifest
from tests.support.paths import MODELS
from tests.support.tables import FEATURES

PREDICT = "/models/{name}/predict"
LABEL = {"$ref": "#/components/schemas/Label"}
SCORES = {"rows": 2, "temperature": 1.0, "scores": (0.1, 0.5), "atypicality": (1.0, 4.0)}
BY_LABEL = (LabelCalibration(rows=1, scores=(0.1,)), LabelCalibration(rows=1, scores=(0.5,)))

Document = dict[str, Any]


@pytest.fixture(scope="module")
def whole() -> Document:
    return create_app(Settings(models_dir=MODELS)).openapi()


def fields_of(whole: Document, described: Manifest) -> tuple[Document, Document]:
    """Return the fields of a request and of its answer in the document of a model."""
    schemas = document_of(whole, described, [PREDICT], "")["components"]["schemas"]
    return schemas["PredictRequest"]["properties"], schemas["PredictReply"]["properties"]


def test_a_document_has_the_paths_of_the_model_and_only_the_schemas_that_they_use(whole: Document) -> None:
    described = manifest(features=FEATURES, name="people", version=3)
    paths = [PREDICT, "/models/{name}/versions/{version}/predict", "/predict"]

    document = document_of(whole, described, paths, "/prefix")

    assert document["openapi"] == whole["openapi"]
    assert document["info"] == {
        "title": "people",
        "version": "3",
        "description": "Predictions of people version 3: 6 features of each row, 2 labels.",
    }
    assert document["servers"] == [{"url": "/prefix"}]
    assert list(document["paths"]) == ["/models/people/predict", "/models/people/versions/3/predict", "/predict"]
    assert [entry["post"]["operationId"] for entry in document["paths"].values()] == [
        "predict_model",
        "predict_version",
        "predict",
    ]
    assert all("parameters" not in entry["post"] for entry in document["paths"].values())
    assert list(document["components"]["schemas"]) == [
        *("BodyError", "Error", "Label", "PredictReply", "PredictRequest", "Problem", "Ranked", "Row"),
    ]
    assert document["components"]["securitySchemes"] == whole["components"]["securitySchemes"]


def test_the_document_of_the_service_stays_as_it_is(whole: Document) -> None:
    before = str(whole)

    document_of(whole, manifest(), [PREDICT], "")

    assert str(whole) == before


def test_rows_have_types_and_labels_are_an_enum(whole: Document) -> None:
    described = manifest(features=FEATURES, labels=("no", "yes", "no"))

    schemas = document_of(whole, described, [PREDICT], "")["components"]["schemas"]

    assert schemas["Row"] == row_schema(described)
    assert schemas["Label"]["enum"] == ["no", "yes"]
    assert schemas["PredictRequest"]["properties"]["instances"]["items"] == {"$ref": "#/components/schemas/Row"}
    assert schemas["PredictRequest"]["properties"]["top_k"]["maximum"] == 3
    assert schemas["PredictReply"]["properties"]["labels"]["items"] == LABEL
    assert schemas["Ranked"]["properties"]["label"] == LABEL


def test_an_example_has_rows_of_the_model_unless_they_are_tensors(whole: Document) -> None:
    def example(described: Manifest) -> object:
        operation = document_of(whole, described, [PREDICT], "")["paths"]["/models/any/predict"]["post"]
        return operation["requestBody"]["content"]["application/json"].get("example")

    rooms = {"name": "$ref", "datatype": "INT8", "values": [1, 2, 4]}
    assert example(manifest(features=[rooms])) == {"instances": [{"$ref": 1}, {"$ref": 4}]}
    assert example(manifest(features=[{"name": "image", "shape": [2, 2]}])) is None


@pytest.mark.parametrize("by_label", [None, BY_LABEL])
def test_fields_of_calibration_are_those_that_the_model_has(
    whole: Document, by_label: tuple[LabelCalibration, ...] | None
) -> None:
    request, reply = fields_of(whole, manifest(calibration=Calibration(**SCORES, by_label=by_label)))

    assert request["include"]["items"]["enum"] == ["logits", "log_probabilities", "prediction_sets", "typicality"]
    assert ("coverage" in request, "coverage_by" in request) == (True, by_label is not None)
    assert reply["prediction_sets"]["items"]["items"] == LABEL
    assert {"not_guaranteed", "typicality"} < set(reply)


def test_a_model_without_calibration_has_none_of_them(whole: Document) -> None:
    request, reply = fields_of(whole, manifest())

    assert request["include"]["items"]["enum"] == ["logits", "log_probabilities"]
    assert set(request) == {"instances", "include", "top_k"}
    assert set(reply) == {"model", "version", "labels", "probabilities", "top", "logits", "log_probabilities"}


def test_only_a_model_that_tells_unknown_texts_has_the_field(whole: Document) -> None:
    assert "unknown" in fields_of(whole, manifest(features=FEATURES))[1]
    assert "unknown" not in fields_of(whole, manifest())[1]
