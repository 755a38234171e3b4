"""Answers have the digits of `/predict`, as lines of CSV."""

import csv
import json

import orjson
import pytest

from softmaxd.models.loading import load
from softmaxd.models.manifest import LOGITS, PROBABILITIES
from softmaxd.models.model import Model
from softmaxd.protocols.native.codec import decode_predict, encode_predict
from softmaxd.scoring.answers import header_of, lines_of
from softmaxd.settings import Settings
from tests.support.paths import MODELS

INCLUDE = ["logits", "log_probabilities", "prediction_sets", "typicality"]


@pytest.fixture(scope="module")
def blobs() -> Model:
    return load(MODELS / "blobs" / "1", Settings())


@pytest.mark.parametrize("include", [[], INCLUDE, ["typicality"], ["log_probabilities", "logits"]])
@pytest.mark.parametrize("rows", [1, 100])
def test_each_field_is_that_of_predict_with_the_same_digits(blobs: Model, include: list[str], rows: int) -> None:
    instances = [[row / 7, 20 - row / 3] for row in range(rows)]
    job = decode_predict(orjson.dumps({"instances": instances, "include": include}), blobs.manifest, max_rows=rows)
    assert job.features is not None
    outputs = blobs.run(job.features)
    answer = json.loads(encode_predict(outputs, job), parse_float=str)  # numbers with their digits

    lines = lines_of(outputs, job, None, [label.encode() for label in blobs.manifest.labels]).decode()

    names = header_of(blobs.manifest, include)
    found = list(csv.DictReader([",".join(names), *lines.splitlines()]))
    assert len(found) == rows
    assert [row["predicted_label"] for row in found] == answer["labels"]
    for field in {PROBABILITIES, LOGITS, "log_probabilities"} & answer.keys():
        by_label = [[row[f"{field}.{label}"] for label in blobs.manifest.labels] for row in found]
        assert by_label == answer[field]
    if "prediction_sets" in include:
        assert [json.loads(row["prediction_sets"]) for row in found] == answer["prediction_sets"]
    if "typicality" in include:
        assert [row["typicality"] for row in found] == answer["typicality"]
    assert len(names) == len(lines.splitlines()[0].split(",")) or "prediction_sets" in include


def test_cells_that_are_kept_come_first(blobs: Model) -> None:
    job = decode_predict(b'{"instances": [[1, 1], [2, 2]]}', blobs.manifest, max_rows=2)
    assert job.features is not None

    lines = lines_of(blobs.run(job.features), job, [b"a", b"b"], [b"w", b"x", b"y", b"z"]).splitlines()

    assert [line[:4] for line in lines] == [b"a,x,", b"b,x,"]
