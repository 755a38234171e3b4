"""Rows of a table are decoded as those of a request."""

import json

import numpy as np
import pytest

from softmaxd.errors import Refused
from softmaxd.models.features import Feature
from softmaxd.models.inputs import read_features
from softmaxd.models.loading import read_manifest
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Features
from softmaxd.protocols.native.codec import PredictJob, decode_predict
from softmaxd.tables.decoding import TABLE_REQUEST, as_json, decode_rows, features_of
from softmaxd.tables.rows import Cell, Rows
from tests.support import tables
from tests.support.paths import MODELS

BLOBS = read_manifest(MODELS / "blobs" / "1")
INTEGERS = BLOBS.model_copy(update={"datatype": "INT8"})
PICTURES = BLOBS.model_copy(update={"features": (Feature(name="picture", shape=(2, 2, 1)),)})
ONE = BLOBS.model_copy(update={"features": (Feature(name="x"),)})


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (b"-1.5e3", b"-1.5e3"),
        (b" 1 ", b"1"),
        (b"+1", b"1.0"),
        (b".5", b"0.5"),
        (b"1.", b"1.0"),
        (b"007", b"7.0"),
        (b"", b"null"),
        (b" ", b"null"),
        (None, b"null"),
        (b"True", b"1"),
        (b" FALSE ", b"0"),
        (b"truth", b'"truth"'),
        (b"nan", b'"nan"'),
        (b"1_0", b'"1_0"'),
        (b"+1e999", b'"+1e999"'),
        (b"0" * 1001, b'"' + b"0" * 1001 + b'"'),
        ('"é'.encode(), '"\\"é"'.encode()),
    ],
)
def test_a_cell_is_a_number_nothing_or_a_text(cell: bytes | None, expected: bytes) -> None:
    assert as_json(cell) == expected


def test_a_cell_in_quotes_is_one_value_though_it_has_a_comma() -> None:
    with pytest.raises(Refused, match=r"^line 3 has 1 value, but the header names 2$"):
        features_of(Rows([2, 3], [[b"1", b"2"], [b"1,2"]]), BLOBS)


@pytest.mark.parametrize("cell", [b"0.1", b"16777217", b"7.0385307e-26", b"-0", b"1e-50", b"+.1", b"3.4028235e38"])
def test_a_number_has_the_bits_that_a_request_gives_it(cell: bytes) -> None:
    expected = decode_predict(b'{"instances":[[%s,0]]}' % as_json(cell), BLOBS, max_rows=1).features
    assert expected is not None

    lines = features_of(Rows(range(2, 4), [b"%s,0" % cell, b"1,2"]), BLOBS)
    cells = features_of(Rows([2], [[cell, b"0"]]), BLOBS)

    assert lines[:1].tobytes() == cells.tobytes() == expected.tobytes()
    assert lines[1].tolist() == [1, 2]


@pytest.mark.parametrize("row", [b"1,2.5,3,0.1", b"+1,2.5,03,.1", b"True,2.5,3,0.1"])
def test_numbers_of_a_tensor_have_the_bits_that_a_request_gives_them(row: bytes) -> None:
    expected = decode_predict(b'{"instances":[[[[1],[2.5]],[[3],[0.1]]]]}', PICTURES, max_rows=1).features
    assert expected is not None

    found = features_of(Rows([2], [row]), PICTURES)

    assert (found.shape, found.tobytes()) == (expected.shape, expected.tobytes())


def test_any_decode_of_a_request_will_do() -> None:
    def decode(instances: bytes, rows: int) -> PredictJob:
        options = b'"include":["typicality"],"coverage":0.5'
        return decode_predict(b'{"instances":%s,%s}' % (instances, options), BLOBS, max_rows=rows)

    job = decode_rows(Rows([2], [b"1,2"]), BLOBS, decode)

    assert (job.include, job.coverage) == (["typicality"], 0.5)


@pytest.mark.parametrize(
    ("manifest", "rows", "reason"),
    [
        (BLOBS, [b"1,2", b"x,2"], "line 5, column x1: Input should be a valid number"),
        (BLOBS, [b"1,2", b"1,"], "line 5, column x2: Input should be a valid number"),
        (BLOBS, [b"1,2", b"1,nan"], "line 5, column x2: Input should be a valid number"),
        (BLOBS, [b"1,2", b"1,1e999"], "line 5, column x2: Input should be a finite number"),
        (BLOBS, [b"1,2", b"1,1e39"], "line 5, column x2: Input should be a finite number, also as float32"),
        (BLOBS, [b"1,2,3", b"4"], "line 4 has 3 values, but the header names 2"),
        (BLOBS, [b"1],[2,3", b"1,2"], "line 4 has 3 values, but the header names 2"),
        (BLOBS, [b"1,2],[3,4", b"1,2"], "line 4 has 4 values, but the header names 2"),
        (ONE, [b"1],[2", b"1"], "line 4 has 2 values, but the header names 1"),
        (BLOBS, [[b"1,5", b"2"], [b"1", b"2"]], "line 4, column x1: Input should be a valid number"),
        (
            INTEGERS,
            [b"1,2", b"1,300"],
            "line 5, column x2: Input should be a whole number from -128 to 127, as the model takes INT8",
        ),
        (PICTURES, [b"1,2,3,4", b"1,2,x,4"], "line 5, column 3: Input should be a valid number"),
        (PICTURES, [b"1,2,3,4", b"1,2,3,1e39"], "line 5, column 4: Input should be a finite number, also as float32"),
        (PICTURES, [b"1,2,3,4", b"1,2,3"], "line 5 has 3 values, but a row of the model has 4 numbers"),
        (PICTURES, [b"1,2,3,4,5", b"1,2,3"], "line 4 has 5 values, but a row of the model has 4 numbers"),
        (BLOBS, [b"1,2", b"1," + b"9" * 5000], "line 5, column x2: Invalid JSON: number out of range"),
        (PICTURES, [b"1,2,3,4", b"1,2,3," + b"9" * 5000], "line 5, column 4: Invalid JSON: number out of range"),
        (
            BLOBS,
            [b"1,2", b"x" * 2**21 + b",2"],
            "line 5, column x1: Input should have no text or name of more than 65536 characters",
        ),
        (
            BLOBS,
            [b"1,2", b",".join([b"x" * (2**20 - 10)] * 2)],
            "line 5: Input should have no text or name of more than 65536 characters",
        ),
        (ONE, [b"1", b"1,2"], "line 5 has 2 values, but the header names 1"),
    ],
)
def test_a_row_that_a_request_may_not_have_is_refused_with_its_line_and_column(
    manifest: Manifest, rows: list[bytes], reason: str
) -> None:
    with pytest.raises(Refused) as refused:
        features_of(Rows([4, 5], rows), manifest)

    assert str(refused.value) == reason


def test_a_mistake_in_a_large_piece_is_found() -> None:
    rows = [*[b"1.0000000000000000,2"] * 60_000, b"1,", b"1,2"]  # more than a MiB and 50,000 values

    with pytest.raises(Refused, match=r"^line 60002, column x2: Input should be a valid number$"):
        features_of(Rows(range(2, 60_004), rows), BLOBS)


def test_a_row_of_too_many_texts_is_named() -> None:
    wide = BLOBS.model_copy(update={"features": tuple(Feature(name=f"x{index}") for index in range(60_000))})

    with pytest.raises(Refused, match=r"^line 2: Input should have at most 50000 values "):
        features_of(Rows([2], [b",".join([b"half of a number"] * 60_000)]), wide)


def test_a_piece_that_no_request_may_be_is_refused_as_a_whole() -> None:
    rows = [b"100000000000000000000,2"] * 60_000  # more digits than the fast reader takes

    with pytest.raises(Refused, match=r"^line 2: Input should have at most 50000 values "):
        features_of(Rows(range(2, 60_002), rows), BLOBS)


def manifest_of(*features: Feature) -> Manifest:
    return Manifest(name="m", version=1, sha256="0" * 64, labels=("a", "b"), features=features)


PEOPLE = manifest_of(*tables.FEATURES)  # age, job, income, member, children, city


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (
            [b"True", b"true", b"false", b"true", b"True", b"False"],
            {**tables.ROWS[0], "age": 1, "job": "true", "income": 0, "children": 1, "city": "False"},
        ),
        ([b"41", b"clerk", b"120.5", b"true", b"2", b"Rome"], tables.ROWS[0]),
        ([b"", b"", b"0", b"False", b"+0", b"Oslo"], tables.ROWS[1]),
        ([b" 18.25", b'say "x"},{', b"1e3", b"1", b"9.0", b"a\0b"], tables.ROWS[2]),
        ([b"77", "Köchin".encode(), b"77.7", b" 0 ", b"1", "😀 \\ \n".encode()], tables.ROWS[3]),
        (
            [b"1", b" 007 ", b"2", b"TRUE", b"3", b""],
            {**tables.ROWS[0], "age": 1, "job": " 007 ", "income": 2, "children": 3, "city": ""},
        ),
    ],
)
def test_cells_of_a_table_have_the_bits_that_a_request_gives_them(
    cells: list[bytes], expected: dict[str, object]
) -> None:
    body = json.dumps({"instances": [expected]}).encode()

    found = features_of(Rows([2], [cells]), PEOPLE)

    answer = decode_predict(body, PEOPLE, max_rows=1).features
    assert answer is not None
    for name in answer.dtype.names or ():
        assert found[name].dtype == answer[name].dtype
        same = found[name].tolist() == answer[name].tolist()
        assert same if found[name].dtype == object else found[name].tobytes() == answer[name].tobytes()


def test_none_of_parquet_is_missing_and_an_empty_text_is_a_text() -> None:
    cells = [[None, text, b"0", b"false", b"0", b""] for text in (None, b"", b"clerk")]
    people = (
        feature.model_copy(update={"missing": "?"}) if feature.name == "job" else feature for feature in tables.FEATURES
    )

    found = features_of(Rows([1, 2, 3], cells, is_parquet=True), manifest_of(*people))

    assert found["job"].ravel().tolist() == ["?", "", "clerk"]
    assert np.isnan(found["numbers"][:, 1]).all()


def test_words_for_a_missing_value_are_missing_unless_they_are_texts_that_the_graph_may_know() -> None:
    gap = Feature(name="gap", datatype="BYTES", input="gap", nullable=True, missing="-", categories=("None", "clerk"))
    free = Feature(name="free", datatype="BYTES", input="free", nullable=True, missing="-")
    age = Feature(name="age", datatype="FP32", input="age", nullable=True)
    cells = [[word] * 3 for word in (b"NA", b" ? ", b"None", b"")]

    found = features_of(Rows([2, 3, 4, 5], cells), manifest_of(gap, free, age))

    assert found["gap"].ravel().tolist() == ["-", "-", "None", "-"]
    assert found["free"].ravel().tolist() == ["NA", " ? ", "None", "-"]
    assert np.isnan(found["age"]).all()


def test_a_word_for_a_missing_value_is_refused_where_none_may_be_missing() -> None:
    with pytest.raises(Refused, match=r"^line 2, column x: Input should be a valid number$"):
        features_of(Rows([2], [b"NA,1"]), manifest_of(Feature(name="x"), Feature(name="y", nullable=True)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"age": b"old"}, "age: Input should be a valid number or null"),
        ({"income": b""}, "income: Input should be a valid number"),
        ({"member": b"yes"}, "member: Input should be a valid boolean"),
        ({"member": b""}, "member: Input should be a valid boolean"),
        ({"children": b"1.5"}, "children: Input should be a whole number "),
        ({"city": None}, "city: Input should be a valid string"),
    ],
)
def test_a_cell_of_a_table_that_a_request_may_not_have_is_refused(change: dict[str, bytes | None], reason: str) -> None:
    row = {"age": b"1", "job": b"clerk", "income": b"2", "member": b"true", "children": b"3", "city": b"Rome"}
    cells: list[list[Cell]] = [list(row.values()), [change.get(name, cell) for name, cell in row.items()]]

    with pytest.raises(Refused) as refused:
        features_of(Rows([1, 2], cells, is_parquet=True), PEOPLE)

    assert str(refused.value).startswith(f"row 2, column {reason}")


def test_numbers_of_one_input_may_be_missing() -> None:
    manifest = manifest_of(Feature(name="x"), Feature(name="y", nullable=True))

    found = features_of(Rows([2, 3], [b"1,", b"2,3"]), manifest)

    assert np.array_equal(found, np.array([[1, np.nan], [2, 3]], np.float32), equal_nan=True)


def test_a_large_table_is_decoded() -> None:
    row = [b"", b"clerk", b"1.5", b"true", b"2", b"Rome" * 40]

    found = features_of(Rows(range(2, 8194), [row] * 8192), PEOPLE)

    assert found["city"].ravel().tolist() == ["Rome" * 40] * 8192


def test_rows_without_end_are_not_cut() -> None:
    features = features_of(Rows(range(2, 10_002), [b"%d,0.5" % row for row in range(10_000)]), BLOBS)

    assert np.array_equal(features[:, 0], np.arange(10_000))


def test_words_of_the_manifest_and_of_the_caller_stand_for_a_missing_value() -> None:
    gap = Feature(name="gap", datatype="BYTES", input="gap", nullable=True, missing="-", categories=("none", "clerk"))
    free = Feature(name="free", datatype="BYTES", input="free", nullable=True, missing="-")
    age = Feature(name="age", datatype="FP32", input="age", nullable=True)
    manifest = manifest_of(gap, free, age).model_copy(update={"missing_words": ("unknown", "none", "-999")})
    cells = [[word] * 3 for word in (b" unknown ", b"-999", b"?!")]

    def decode(instances: bytes, rows: int) -> Features:
        return read_features(TABLE_REQUEST, b'{"instances":%s}' % instances, manifest, max_rows=rows)[0]

    found = decode_rows(Rows([2, 3, 4], cells), manifest, decode, ["?!"])
    texts = decode_rows(Rows([2], [[b"none", b"none", b""]]), manifest, decode)

    assert found["gap"].ravel().tolist() == found["free"].ravel().tolist() == ["-"] * 3
    assert np.isnan(found["age"]).all()
    assert (texts["gap"].item(), texts["free"].item()) == ("none", "-")


@pytest.mark.parametrize(
    ("is_parquet", "cell", "expected"),
    [(False, b"-999", np.nan), (False, b"-999.0", -999), (True, b"-999.0", np.nan), (True, b"-998.5", -998.5)],
)
def test_a_code_for_a_missing_number_is_a_text_in_csv_and_a_number_in_parquet(
    is_parquet: bool, cell: bytes, expected: float
) -> None:
    manifest = manifest_of(Feature(name="x"), Feature(name="y", nullable=True))
    coded = manifest.model_copy(update={"missing_words": ("-999", "unknown")})
    row = [b"-999", cell]

    found = features_of(Rows([2], [row] if is_parquet else [b",".join(row)], is_parquet), coded)

    assert np.array_equal(found, np.array([[-999, expected]], np.float32), equal_nan=True)
