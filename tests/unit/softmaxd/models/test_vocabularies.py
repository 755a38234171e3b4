from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from softmaxd.models.features import MAX_CATEGORIES, Feature, tensors_of
from softmaxd.models.vocabularies import Vocabulary, unknown_as_json, unknown_counts, unknown_texts, vocabularies_of

FEATURES = (
    Feature(name="age", input="numbers"),
    Feature(name="city", input="texts", column=1, datatype="BYTES", categories=("Rome", "Oslo")),
    Feature(name='jo"b', input="texts", column=0, datatype="BYTES", categories=("cook",), nullable=True, missing="?"),
    Feature(name="note", input="note", datatype="BYTES"),
    Feature(name="word", input="word", datatype="BYTES", categories=tuple(map(str, range(MAX_CATEGORIES)))),
    Feature(name="plan", input="plan", datatype="BYTES", categories=("gold",), only_categories=True),
)


def vocabularies() -> tuple[Vocabulary, ...]:
    return vocabularies_of(FEATURES, tensors_of(FEATURES, "FP32"))


def table(*rows: tuple[str, str]) -> dict[str, npt.NDArray[Any]]:
    """Return the texts of rows: job and city, in the order of their columns."""
    return {"texts": np.array(rows, dtype=object)}


def test_a_feature_has_a_vocabulary_if_it_has_all_categories_and_takes_other_texts() -> None:
    job, city = vocabularies()

    assert (job.name, job.input, job.column, sorted(job.known)) == ('jo"b', "texts", 0, ["?", "cook"])
    assert (city.name, city.input, city.column, sorted(city.known)) == ("city", "texts", 1, ["Oslo", "Rome"])


@pytest.mark.parametrize("row", [("cook", "Rome"), ("?", "Oslo")], ids=["a category", "a missing one"])
def test_known_texts_are_not_told(row: tuple[str, str]) -> None:
    assert unknown_texts(table(row), vocabularies()) is None
    assert list(unknown_as_json(table(row), vocabularies())) == []


def test_unknown_texts_are_told_by_row_in_the_order_of_the_features_of_the_graph() -> None:
    rows = table(("cook", "Rome"), ("", "?"), ("Cook", "Oslo"))

    unknown = unknown_texts(rows, vocabularies())
    text = b"".join(unknown_as_json(rows, vocabularies()))

    assert unknown is not None
    assert unknown.tolist() == [[False, False], [True, True], [True, False]]
    assert text == b',"unknown":[[],["jo\\"b","city"],["jo\\"b"]]'


def test_rows_with_unknown_texts_are_counted_by_feature() -> None:
    assert unknown_counts(table(("cook", "Rome"), ("nurse", "Rome"), ("", "Oslo")), vocabularies()) == {'jo"b': 2}
    assert unknown_counts(table(("cook", "Rome")), vocabularies()) == {}
    assert unknown_counts(table(("nurse", "Rome")), ()) == {}
