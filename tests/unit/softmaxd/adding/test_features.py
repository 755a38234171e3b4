"""The features of a graph are described in a manifest, and in plain words."""

import numpy as np
import pytest

from softmaxd.adding.features import describe_features, input_note, missing_note, row_text
from softmaxd.adding.graphs import Input
from softmaxd.adding.inputs import column_names
from softmaxd.adding.tables import Table
from softmaxd.errors import Refused
from softmaxd.models.features import MAX_CATEGORIES, Feature
from tests.support.table_graphs import PEOPLE

MATRICES = Table((Input("numbers", "double", (2,), 1), Input("texts", "string", (2,), None)))


def test_the_features_of_a_table_have_their_place_and_type() -> None:
    features = describe_features(MATRICES, "abcd", {2: ["x", "y"], 3: []}, {1: "", 2: "x"}, {})

    assert features == (
        Feature(name="a", datatype="FP64", input="numbers", column=0),
        Feature(name="b", datatype="FP64", input="numbers", column=1, nullable=True),
        Feature(name="c", datatype="BYTES", input="texts", column=0, nullable=True, missing="x", categories=("x", "y")),
        Feature(name="d", datatype="BYTES", input="texts", column=1),
    )


def test_a_row_has_the_names_of_its_features() -> None:
    record = (np.array([1.5, 2.0]), np.array(["a text"], dtype=object), *[np.array([True])] * 4)
    features = [Feature(name=name) for name in "abcdefg"]

    assert row_text(record, features) == "[a=1.5, b=2, c=a text, d=True, e=True, f=True, …]"
    assert row_text([1.0, 2.0], features[:2]) == "[a=1, b=2]"
    assert row_text([0.1, "a\n", float(np.float32(0.1))], features[:3]) == "[a=0.1, b='a\\n', c=0.1]"
    assert row_text([1700000123.5, 0.30000000000000004], features[:2]) == "[a=1700000123.5, b=0.30000000000000004]"
    assert row_text([1.0, 2.0], [Feature(name="image", shape=(1, 2))]) == "[1, 2]"


def test_an_input_of_one_column_needs_no_number_for_it() -> None:
    assert describe_features(PEOPLE, ["age", "job"], {}, {}, {}) == (
        Feature(name="age", datatype="FP32", input="age"),
        Feature(name="job", datatype="BYTES", input="job"),
    )


def test_numbers_of_one_tensor_have_names_only() -> None:
    two, image, one = (Input("x", "float", shape, None) for shape in ((2,), (2, 3), (1,)))

    assert describe_features(two, "ab", {}, {}, {}) == (Feature(name="a"), Feature(name="b"))
    assert describe_features(image, ["image"], {}, {}, {}) == (Feature(name="image", shape=(2, 3)),)
    assert describe_features(one, ["a"], {}, {0: ""}, {}) == (Feature(name="a", nullable=True),)


def test_only_so_many_categories_are_in_the_manifest() -> None:
    many = [f"{index:04}" for index in range(MAX_CATEGORIES + 5)]

    _, job = describe_features(PEOPLE, ["age", "job"], {1: many}, {}, {}, [1])

    assert job.categories == tuple(many[:MAX_CATEGORIES])
    assert not job.only_categories


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["age", "age"], "--features has the name 'age' twice"),
        (["age", ""], "a feature's name should have 1 to 200"),
    ],
)
@pytest.mark.parametrize("source", [PEOPLE, Input("x", "float", (2,), None)])
def test_names_that_are_not_allowed_are_refused(names: list[str], message: str, source: Table | Input) -> None:
    with pytest.raises(Refused, match=message):
        describe_features(source, names, {}, {}, {})


@pytest.mark.parametrize(
    ("source", "known", "words"),
    [
        (PEOPLE, {1: ["a", "b"]}, "the inputs age float32, job text (2 categories: a, b)"),
        (PEOPLE, {1: ["", "b", "c", "d"]}, "the inputs age float32, job text (4 categories: '', b, c, …)"),
        (PEOPLE, {1: ["New, York", "b"]}, "the inputs age float32, job text (2 categories: 'New, York', b)"),
        (PEOPLE, {1: ["only"]}, "the inputs age float32, job text (1 category: only)"),
        (PEOPLE, {1: ()}, "the inputs age float32, job text (no categories)"),
        (
            MATRICES,
            {2: ["a", "b"]},
            "the inputs numbers float64 [n, 2], texts text [n, 2] (texts.0: 2 categories: a, b; texts.1: no "
            "categories); exported for 1 at a time, but takes any number of rows",
        ),
        (
            Table((Input("h", "float16", (1,), None), Input("flag", "bool", (), None))),
            {},
            "the inputs h float16 (served as float32), flag bool",
        ),
        (Table((Input("x", "string", (1,), None),)), {0: ["a"]}, "the input x text (1 category: a)"),
        (Input("x", "float", (2,), None), {}, "the input x, float32 [n, 2]"),
        (
            Input("x", "float16", (2,), 4),
            {},
            "the input x, float16 [n, 2]; served as float32, and may be rounded to float16; "
            "exported for 4 at a time, but takes any number of rows",
        ),
        (
            Input("x", "bool", (2,), None),
            {},
            "the input x, bool [n, 2]; served as float32, and rows with numbers other than 0 and 1 are refused",
        ),
    ],
)
def test_the_inputs_are_told_in_plain_words(source: Table | Input, known: dict[int, list[str]], words: str) -> None:
    assert input_note(source, column_names(source, None), known) == f"features: {words}"


def test_a_column_has_the_name_of_its_feature() -> None:
    assert input_note(PEOPLE, ["my age", "job"], {1: ()}) == (
        "features: the inputs my age float32, job text (no categories)"
    )


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ({}, "no feature may be missing"),
        ({0: ""}, "null is taken for a; not for b, c"),
        ({0: "", 1: "nan", 2: ""}, "null is taken for a, b (the text 'nan' stands for it), c"),
    ],
)
def test_the_features_that_may_be_missing_are_told(missing: dict[int, str], words: str) -> None:
    assert missing_note("abc", missing) == f"missing: {words}"


@pytest.mark.parametrize("source", [PEOPLE, Input("x", "float", (2,), None)])
def test_a_feature_that_only_takes_some_numbers_has_their_range(source: Table | Input) -> None:
    first, second = describe_features(source, ["class", "job"], {}, {}, {0: [1, 3, 4, 7]})

    assert (first.min, first.max, first.values) == (1, 7, (1, 3, 4, 7))
    assert (second.min, second.max) == (None, None)
