"""Features are found by name; other columns are left out or passed through."""

import re

import pytest

from softmaxd.errors import Refused
from softmaxd.models.features import Feature
from softmaxd.models.manifest import Manifest
from softmaxd.tables.columns import columns_beside, columns_of
from softmaxd.tables.rows import ColumnType, Header, Rows


def manifest_of(*features: Feature) -> Manifest:
    return Manifest(name="m", version=1, sha256="0" * 64, labels=("a", "b"), features=features)


POINTS = manifest_of(Feature(name="x"), Feature(name="y"))
IMAGES = manifest_of(Feature(name="image", shape=(2, 1)))


def test_features_stand_in_any_order_between_other_columns() -> None:
    rows = Rows([2, 3], [b"7,2,1", b"8,4,3"])
    dropped = columns_of(Header(["id", "y", "x"]), POINTS, keep=False)
    kept = columns_of(Header(["id", "y", "x"]), POINTS, keep=True)

    assert dropped.choose(rows) == (Rows([2, 3], [b"1,2", b"3,4"]), None)
    assert kept.choose(rows) == (Rows([2, 3], [b"1,2", b"3,4"]), [b"7", b"8"])
    assert (dropped.kept_names, kept.kept_names) == ([], ["id"])


def test_lines_of_features_in_order_stay_as_they_are() -> None:
    rows = Rows([2], [b"1,2"])

    assert columns_of(Header(["x", "y"]), POINTS, keep=True).choose(rows) == (rows, None)


def test_a_row_of_another_length_is_refused_with_its_line() -> None:
    columns = columns_of(Header(["y", "x"]), POINTS, keep=False)

    with pytest.raises(Refused, match=r"^line 3 has 1 value, but the header names 2$"):
        columns.choose(Rows([2, 3], [b"1,2", b"3"]))


def test_a_missing_value_is_an_empty_cell() -> None:
    columns = columns_of(Header(["x", "id", "y"]), POINTS, keep=True)

    assert columns.choose(Rows([1], [(None, None, b"")])) == (Rows([1], [(None, b"")]), [b""])


def test_the_numbers_of_a_tensor_are_found_by_name_or_are_all_columns() -> None:
    rows = Rows([2], [b"1,2"])

    assert columns_of(Header(["b", "b"]), IMAGES, keep=True).choose(rows) == (rows, None)
    assert columns_of(Header(["image.1", "image.0"]), IMAGES, keep=False).choose(rows) == (Rows([2], [b"2,1"]), None)
    kept = columns_of(Header(["image.1", "id", "image.0"]), IMAGES, keep=True)
    assert kept.choose(Rows([2], [b"1,a,2"])) == (Rows([2], [b"2,1"]), [b"a"])


@pytest.mark.parametrize(
    ("names", "manifest", "reason"),
    [
        (["x", "id"], POINTS, "it has no column y; its columns are x, id"),
        (["x", "Y"], POINTS, "it has no column y; did you mean Y?"),
        (["x", "y", "x"], POINTS, "the header names x twice"),
        (
            ["x", *(f"q{index}" for index in range(25))],
            POINTS,
            f"it has no column y; its columns are x, {', '.join(f'q{index}' for index in range(19))} and 6 more",
        ),
        (["image.0", "image_1"], IMAGES, "it has no column image.1; did you mean image_1?"),
        (
            ["a"],
            IMAGES,
            "it has 1 column, but a row of the model has 2 numbers: name these image.0 to image.1 to have others "
            "beside them",
        ),
    ],
)
def test_a_header_that_does_not_fit_is_refused(names: list[str], manifest: Manifest, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        columns_of(Header(names), manifest, keep=False)

    assert str(refused.value) == reason


@pytest.mark.parametrize(
    ("names", "manifest", "features", "are_by_order"),
    [
        (["y", "remark", "kind", "x"], POINTS, [3, 0], False),
        (["kind", "width", "height"], POINTS, [1, 2], True),
        (["b", "kind", "a"], IMAGES, [0, 2], True),
        (["image", "kind", "a"], IMAGES, [0, 2], True),
        (["image.1", "image.2", "kind"], IMAGES, [0, 1], True),
        (["image.1", "kind", "a", "image.0"], IMAGES, [3, 0], False),
    ],
)
def test_columns_beside_the_target_are_features_by_name_or_else_in_order(
    names: list[str], manifest: Manifest, features: list[int], are_by_order: bool
) -> None:
    columns, target = columns_beside(Header(names), "kind", manifest)

    assert (columns.features, columns.are_by_order, target) == (features, are_by_order, names.index("kind"))


@pytest.mark.parametrize(
    ("names", "manifest", "reason"),
    [
        (["x", "y"], POINTS, "it has no column kind; its columns are x, y"),
        (["x", "kind", "kind"], POINTS, "the header names kind twice"),
        (["x", "kind"], POINTS, "it has no column y; its columns are x"),
        (["x", "Y", "kind"], POINTS, "it has no column y; did you mean Y?"),
        (
            ["a", "b", "c", "kind"],
            POINTS,
            "it has 3 columns besides kind, but the model takes 2 features: it should have a column for each, by name "
            "(x …), or else in order",
        ),
        (
            ["a", "kind"],
            IMAGES,
            "it has 1 column besides kind, but the model takes 2 numbers: it should have a column for each, by name "
            "(image.0 …), or else in order",
        ),
    ],
)
def test_columns_beside_a_target_that_do_not_fit_are_refused(names: list[str], manifest: Manifest, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        columns_beside(Header(names), "kind", manifest)

    assert str(refused.value) == reason


SPACED = manifest_of(Feature(name=" x"), Feature(name="y "))


@pytest.mark.parametrize(
    "names", [[" x", "kind", "y "], ["x", "kind", "y"], ["x ", " kind ", "  y"], [" x", "kind", "y"]]
)
def test_names_are_those_of_the_header_or_else_without_blanks_around_both(names: list[str]) -> None:
    columns, target = columns_beside(Header(names), "kind", SPACED)

    assert (columns.features, columns.names, target) == ([0, 2], [" x", "kind", "y "], 1)
    assert columns_of(Header(names), SPACED, keep=True).kept_names == [names[1].strip()]


def test_features_that_differ_by_blanks_only_are_found_exactly() -> None:
    both = manifest_of(Feature(name="x"), Feature(name=" x"))

    assert columns_of(Header([" x", "x"]), both, keep=False).features == [1, 0]
    with pytest.raises(Refused, match=r"^the header names x twice$"):
        columns_of(Header(["x", "x "]), POINTS, keep=False)


PEOPLE = manifest_of(
    Feature(name="job", datatype="BYTES", input="job"),
    Feature(name="age", datatype="FP32", input="age"),
    Feature(name="member", datatype="BOOL", input="member"),
)


TEXT, INTEGERS, TRUTHS, DAYS = (
    ColumnType("text", "text"),
    ColumnType("number", "int64"),
    ColumnType("boolean", "bool"),
    ColumnType("time", "date32[day]"),
)
LISTS = ColumnType("other", "list<element: string>")
EMPTY = ColumnType("nothing", "null")


@pytest.mark.parametrize(
    ("manifest", "columns", "reason"),
    [
        (POINTS, {"y": TEXT, "x": INTEGERS}, "y is text, but the model takes numbers: save it as numbers"),
        (POINTS, {"y": INTEGERS, "x": DAYS}, "x is date32[day], but the model takes numbers: save it as numbers"),
        (
            IMAGES,
            {"image.1": TRUTHS, "image.0": TEXT},
            "image.0 is text, but the model takes numbers: save it as numbers",
        ),
        (IMAGES, {"a": INTEGERS, "b": TEXT}, "b is text, but the model takes numbers: save it as numbers"),
        (
            PEOPLE,
            {"age": INTEGERS, "member": TEXT, "job": TEXT},
            "member is text, but the model takes booleans: save it as booleans",
        ),
        (
            PEOPLE,
            {"age": INTEGERS, "member": TRUTHS, "job": INTEGERS},
            "job is int64, but the model takes text: save it as text",
        ),
        (
            PEOPLE,
            {"age": INTEGERS, "member": TRUTHS, "job": LISTS},
            "job is list<element: string>, but the model takes text: save it as text",
        ),
    ],
)
def test_a_column_of_another_type_than_the_model_takes_is_refused(
    manifest: Manifest, columns: dict[str, ColumnType], reason: str
) -> None:
    with pytest.raises(Refused, match=f"^its column {re.escape(reason)}$"):
        columns_of(Header([*columns], [*columns.values()]), manifest, keep=False)
    with pytest.raises(Refused, match=f"^its column {re.escape(reason)}$"):
        columns_beside(Header([*columns, "kind"], [*columns.values(), TEXT]), "kind", manifest)


def test_a_column_of_no_values_or_of_truths_is_taken_for_any_feature_of_numbers() -> None:
    assert columns_of(Header(["x", "y"], [EMPTY, TRUTHS]), POINTS, keep=False).features == [0, 1]
    assert columns_of(Header(["job", "age", "member"], [EMPTY] * 3), PEOPLE, keep=False).features == [0, 1, 2]


CODES = manifest_of(
    Feature(name="member", datatype="BYTES", input="text", categories=("false", "true")),
    Feature(name="grade", datatype="BYTES", input="text", categories=("-1", "0", "12")),
    Feature(name="place", datatype="BYTES", input="text", categories=("007", "12")),
)


def test_truths_and_numbers_are_taken_for_texts_that_are_such() -> None:
    names = ["member", "grade", "place"]

    assert columns_of(Header(names, [TRUTHS, INTEGERS, TEXT]), CODES, keep=False).features == [0, 1, 2]
    assert columns_of(Header(names, [TEXT, TEXT, TEXT]), CODES, keep=False).features == [0, 1, 2]


@pytest.mark.parametrize(
    ("types", "name"),
    [([INTEGERS, TEXT, TEXT], "member"), ([TEXT, TRUTHS, TEXT], "grade"), ([TEXT, TEXT, INTEGERS], "place")],
)
def test_other_texts_may_have_lost_digits(types: list[ColumnType], name: str) -> None:
    with pytest.raises(Refused, match=f"^its column {name} is .*, but the model takes text: save it as text$"):
        columns_of(Header(["member", "grade", "place"], types), CODES, keep=False)


def test_texts_may_be_a_feature_of_texts_the_target_or_another_column() -> None:
    header = Header(["remark", "job", "kind", "age", "member"], [TEXT, TEXT, TEXT, INTEGERS, TRUTHS])

    assert columns_beside(header, "kind", PEOPLE)[0].features == [1, 3, 4]


def test_lists_are_no_labels_and_are_not_passed_through_but_may_be_left_out() -> None:
    header = Header(["x", "y", "tags"], [INTEGERS, INTEGERS, LISTS])

    assert columns_of(header, POINTS, keep=False).features == [0, 1]
    reason = r"^its column tags is list<element: string>: save it as text$"
    with pytest.raises(Refused, match=reason):
        columns_of(header, POINTS, keep=True)
    with pytest.raises(Refused, match=reason):
        columns_beside(header, "tags", POINTS)


@pytest.mark.parametrize("kept", [True, False])
def test_a_text_that_is_not_utf_8_is_refused_where_it_is_used(kept: bool) -> None:
    header = Header(["remark", "job", "age", "member"], [TEXT, TEXT, INTEGERS, TRUTHS])
    rows = Rows([1, 2], [(b"\xfe", b"clerk", b"1", b"true"), (b"ok", b"\xff", b"2", b"false")], is_parquet=True)
    columns = columns_of(header, PEOPLE, keep=kept)

    with pytest.raises(Refused, match=r"^row 2, column job is not UTF-8: save the table as UTF-8$"):
        columns.choose(rows[1:])
    if kept:
        with pytest.raises(Refused, match=r"^row 1, column remark is not UTF-8: "):
            columns.choose(rows[:1])
    else:
        assert columns.choose(rows[:1])[0].cells() == [(b"clerk", b"1", b"true")]
