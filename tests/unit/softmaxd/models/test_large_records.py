"""Records that are read piece by piece: the same features and errors as the schema gives for the whole body."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from softmaxd.errors import InvalidBody, TooLarge
from softmaxd.models import large_records
from softmaxd.models.inputs import read_rows
from softmaxd.protocols.native.schemas import PREDICT_REQUEST, PREDICT_TABLE
from softmaxd.protocols.v1.schemas import CLASSIFY_REQUEST, CLASSIFY_TABLE
from tests.support.manifests import manifest
from tests.support.mutations import fuzz, mutations

MAX_ROWS = 8

Outcome = tuple[object, ...]


@contextlib.contextmanager
def pieces_of(size: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_records, "PIECE", size)
        yield


def outcome(body: bytes, *, piece: int) -> Outcome:
    """Return all that can be told of a body: its features as bytes and its other fields, or its error."""
    try:
        with pieces_of(piece):
            features, request = read_rows(PREDICT_REQUEST, "instances", body, manifest(2), max_rows=MAX_ROWS)
    except InvalidBody as error:
        return InvalidBody, list(error.problems)
    except TooLarge as error:
        return TooLarge, error.detail
    return features.dtype, features.shape, features.tobytes(), request.get("include"), request.get("top_k")


def whole(body: bytes) -> Outcome:
    return outcome(body, piece=sys.maxsize)


GOOD = [{"x1": 1.5, "x2": 2}, {"x2": 4, "x1": -3}, {"x1": 5, "x2": 6e3}, {"x1": 7, "x2": 8}]
FEATURES = [[1.5, 2], [-3, 4], [5, 6000], [7, 8]]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("others", [{}, {"include": ["logits"]}, {"top_k": 1}], ids=["alone", "include", "top_k"])
@pytest.mark.parametrize("is_first", [True, False])
def test_records_are_read_piece_by_piece(indent: int | None, others: dict[str, object], is_first: bool) -> None:
    fields = {"instances": GOOD} | others if is_first else others | {"instances": GOOD}
    body = json.dumps(fields, indent=indent).encode()
    pieces: list[bytes] = []

    def read(text: bytes) -> tuple[object, object]:
        pieces.append(text)
        return read_rows(PREDICT_REQUEST, "instances", text, manifest(2), max_rows=MAX_ROWS)

    with pieces_of(1):
        found = large_records.read_records(read, orjson.loads, "instances", body, manifest(2), [].append)  # type: ignore[arg-type]

    assert found is not None
    assert found[0].tolist() == FEATURES
    assert len(pieces) > 1
    assert [record for piece in pieces for record in json.loads(piece)["instances"]] == GOOD
    assert outcome(body, piece=1) == whole(body)


WRONG = {
    "no number": b'{"x1":7,"x2":"8"}',
    "a feature missing": b'{"x1":7}',
    "an unknown feature": b'{"x1":7,"x2":8,"x3":9}',
    "beyond float32": b'{"x1":7,"x2":1e39}',
    "a row": b"[7,8]",
    "a number": b"7",
    "null": b"null",
    "nothing": b"",
    "no JSON": b'{"x1":7,"x2":08}',
    "no colon": b'{"x1":7,"x2"}',
    "no end": b'{"x1":7,"x2":8',
    "two without a comma": b'{"x1":7,"x2":8}{"x1":7,"x2":8}',
    "an empty record": b"{}",
    "a list around": b'[{"x1":7,"x2":8}]',
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("between", [b",", b" ,\n "], ids=["one line", "lines"])
@pytest.mark.parametrize("tail", [b"]}", b'\n], "include": ["logits"]}'], ids=["alone", "include"])
def test_a_wrong_record_is_refused_with_its_place_in_the_whole_body(
    wrong: bytes, place: int, between: bytes, tail: bytes
) -> None:
    rows = [json.dumps(row).encode() for row in GOOD]
    rows[place] = wrong
    body = b'{"instances": [' + between.join(rows) + tail

    found, expected = outcome(body, piece=1), whole(body)

    assert expected[0] is InvalidBody
    assert found == expected or wrong == b""


def test_more_rows_than_allowed_are_refused() -> None:
    body = json.dumps({"instances": GOOD * 3}).encode()

    assert outcome(body, piece=1) == whole(body)
    assert outcome(body, piece=1)[1] == "12 rows are more than the 8 that one request may have"


@pytest.mark.parametrize("name", ["}", "]", "},{", "},", '"', "\\", "é", "[{"], ids=["brace", "bracket", *"abcdef"])
def test_any_name_of_a_feature_is_read(name: str) -> None:
    record = {name: 1.5, "x2": 2}
    model = manifest(2, features=[{"name": name}, {"name": "x2"}])
    body = orjson.dumps({"instances": [record] * MAX_ROWS})
    for piece in range(1, 60):
        with pieces_of(piece):
            features, _ = read_rows(PREDICT_REQUEST, "instances", body, model, max_rows=MAX_ROWS)

        assert features.tolist() == [[1.5, 2]] * MAX_ROWS


names = st.sampled_from(["x1", "x2", "x1", "x2", "x3", "}", "]", "},{", "instances"])
numbers = st.sampled_from(["1", "2.5", "-3e2", "1e39", "null", '"1"', "[1]", "{}"])
good = st.builds('{{"x1":{},"x2" :{}}}'.format, st.integers(-9, 9), st.floats(-9, 9))
records = good | st.dictionaries(names, numbers, max_size=3).map(
    lambda row: "{" + ",".join(f'"{name}": {number}' for name, number in row.items()) + "}"
)
items = good | records | st.sampled_from(["[1,2]", "1", "null", ""])
blanks = st.sampled_from(["", " ", "\n"])


@st.composite
def bodies(draw: st.DrawFn, rows: st.SearchStrategy[str]) -> bytes:
    """Draw a request with some records."""
    text = ",".join(draw(blanks) + row + draw(blanks) for row in draw(st.lists(rows, max_size=MAX_ROWS + 1)))
    before = draw(st.sampled_from(["", '"top_k":1,', '"include":["logits"],', '"x":[{}],']))
    after = draw(
        st.sampled_from(["", ',"top_k":1', ',"include": ["logits"]', ',"instances":[]', ',"x":{}', ',"x":[{}]'])
    )
    return f'{{{before}"instances"{draw(blanks)}:{draw(blanks)}[{text}]{after}}}'.encode()


def agree(found: Outcome, expected: Outcome) -> bool:
    """Return whether two readers answer alike: of several problems, each may report another."""
    return found == expected or {found[0], expected[0]} <= {InvalidBody, TooLarge}


@fuzz
@given(bodies(good) | bodies(items), st.sampled_from([1, 20, 60]))
@example(b'{"instances":[{"x1":1,"x2":2},]}', 1)
@example(b'{"instances":[{"x1":1,"x2":2},[1,2]]}', 1)
@example(b'{"instances":[[1,2],{"x1":1,"x2":2}]}', 1)
def test_any_records_are_read_as_the_schema_reads_them(body: bytes, piece: int) -> None:
    assert agree(outcome(body, piece=piece), whole(body))


@fuzz
@given(bodies(good) | bodies(items), st.lists(mutations(), min_size=1, max_size=3), st.sampled_from([1, 20]))
def test_any_change_of_a_body_is_read_as_the_schema_reads_it(
    body: bytes, changes: Sequence[Callable[[bytes], bytes]], piece: int
) -> None:
    for change in changes:
        body = change(body)

    assert agree(outcome(body, piece=piece), whole(body))


ROWS = b'[{"x1":1,"x2":2},{"x1":3,"x2":4},{"x1":5,"x2":6}]'
WRONG_ROWS = b'[{"x1":7,"x2":8},{"x1":null,"x2":9}]'


@pytest.mark.parametrize("piece", [1, 40, 60, 80, 200])
@pytest.mark.parametrize("others", [ROWS, WRONG_ROWS, b"[[1,2],[3,4]]"], ids=["rows", "wrong", "lists"])
@pytest.mark.parametrize(
    ("schema", "body"), [(CLASSIFY_REQUEST, b'{"examples":%s,"x":%s}'), (CLASSIFY_TABLE, b'{"examples":%s , "x":%s}')]
)
def test_rows_of_another_field_are_not_read_with_these(
    schema: TypeAdapter[Any], body: bytes, others: bytes, piece: int
) -> None:
    model = manifest(2, features=[{"name": "x1"}, {"name": "x2", "nullable": schema is CLASSIFY_TABLE}])

    with pieces_of(piece):
        features, _ = read_rows(schema, "examples", body % (ROWS, others), model, max_rows=MAX_ROWS)

    assert features.tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize("piece", [1, 40, 60, 80, 200])
def test_of_rows_that_come_twice_the_last_count(piece: int) -> None:
    body = b'{"instances":%s,"instances":[{"x1":7,"x2":8},{"x1":9,"x2":9}]}' % ROWS
    wrong = b'{"instances":%s,"instances":%s}' % (ROWS, WRONG_ROWS)

    assert outcome(body, piece=piece) == whole(body)
    assert outcome(wrong, piece=piece) == whole(wrong)


@pytest.mark.parametrize("name", ["line 1 column 1", "line 0 column 5", f"line {10**30} column {10**30}"])
def test_a_feature_may_be_called_like_a_place(name: str) -> None:
    model = manifest(2, features=[{"name": name}, {"name": "x2"}])
    body = orjson.dumps({"instances": [{name: 1, "x2": 2}, {name[:-1]: 1, "x2": 2}]})

    with pieces_of(1), pytest.raises(InvalidBody) as error:
        read_rows(PREDICT_REQUEST, "instances", body, model, max_rows=MAX_ROWS)

    assert error.value.problems[-1]["msg"] == f"Extra inputs are not permitted; the nearest feature is {name}"


TABLE = manifest(
    features=[
        {"name": 'a"},{', "nullable": True},
        {"name": "job", "input": "job", "datatype": "BYTES"},
    ]
)
AWKWARD = ["}],", "]],", "],", "},{", "],[", "}]", ']],"x":[[', "\\", '"},{"']
texts = st.text('a"\\{}[],: \n\u20ac', max_size=6) | st.sampled_from(AWKWARD)
values = st.none() | st.integers(-9, 9) | st.booleans()
table_rows = st.tuples(st.integers(-9, 9) | st.none(), texts) | st.tuples(values, texts | st.integers(0, 1))


def outcome_of_table(body: bytes, piece: int) -> Outcome:
    """Return all that can be told of a body but its problems: only those of one piece are told."""
    try:
        with pieces_of(piece):
            features, request = read_rows(PREDICT_TABLE, "instances", body, TABLE, max_rows=MAX_ROWS)
    except InvalidBody:
        return (InvalidBody,)
    except TooLarge as error:
        return TooLarge, error.detail
    return features["features"].tobytes(), features["job"].tolist(), request.get("include")


@fuzz
@given(
    st.lists(table_rows, min_size=1, max_size=MAX_ROWS),
    st.booleans(),
    st.sampled_from([{}, {"include": ["logits"]}, {"include": []}]),
    st.sampled_from([None, 1]),
)
@example([(1, "},{")] * 4, True, {}, None)
@example([(1, "],[")] * 4, False, {"include": ["logits"]}, None)
@example([(1, 'x\\"},{\\')] * 4, True, {}, None)
@example([(1, "}]"), (2, "]]")], True, {"include": ["logits"]}, None)
def test_a_table_is_read_piece_by_piece_whatever_its_texts_have(
    rows: list[tuple[object, object]], is_named: bool, others: dict[str, object], indent: int | None
) -> None:
    instances = [{'a"},{': number, "job": text} if is_named else [number, text] for number, text in rows]
    body = json.dumps({"instances": instances} | others, indent=indent, ensure_ascii=False).encode()

    assert outcome_of_table(body, 1) == outcome_of_table(body, sys.maxsize)


def test_a_table_of_too_many_rows_is_refused() -> None:
    body = json.dumps({"instances": [[1, "x"]] * (MAX_ROWS + 1)}).encode()

    assert outcome_of_table(body, 1) == outcome_of_table(body, sys.maxsize)
    assert outcome_of_table(body, 1)[0] is TooLarge


def test_many_texts_that_look_like_ends_of_rows_are_read_at_once() -> None:
    rows = [[1, '"],["' * 1200], [2, "x"]]
    body = json.dumps({"instances": rows}).encode()

    assert outcome_of_table(body, 1) == outcome_of_table(body, sys.maxsize)
    assert outcome_of_table(body, 1)[1] == [[text] for _, text in rows]


def test_many_brackets_after_the_rows_end_the_search() -> None:
    body = b'{"instances":[[1,"x"]],"include":[%s]}' % b",".join([b"[[]]"] * 1100)

    assert outcome_of_table(body, 1)[0] is InvalidBody


NESTED = {
    "lists in a row": b'{"instances":[[1,"x"],[[],[],[]],[2,"y"]]}',
    "a list in each row": b'{"instances":[[[1],[2]],[[3],[4]]]}',
    "objects in a row": b'{"instances":[{"job":[{},{},{}]},{"job":"x"}]}',
    "lists that do not end": b'{"instances":[[1,"x"],[[],[],[2,"y"]]}',
}


@pytest.mark.parametrize("body", NESTED.values(), ids=NESTED)
def test_lists_and_objects_in_a_row_are_told_as_they_are(body: bytes) -> None:
    with pytest.raises(InvalidBody) as whole_body:
        read_rows(PREDICT_TABLE, "instances", body, TABLE, max_rows=MAX_ROWS)
    with pieces_of(1), pytest.raises(InvalidBody) as in_pieces:
        read_rows(PREDICT_TABLE, "instances", body, TABLE, max_rows=MAX_ROWS)

    assert in_pieces.value.problems == whole_body.value.problems


def test_a_row_of_many_texts_that_look_like_ends_of_rows_is_read_at_once() -> None:
    body = json.dumps({"instances": [["],["] * 1100, [2, "x"]]}).encode()

    assert outcome_of_table(body, 1) == outcome_of_table(body, sys.maxsize) == (InvalidBody,)


def test_many_texts_with_brackets_after_the_rows_end_the_search() -> None:
    body = json.dumps({"instances": [[1, "x"]], "include": ["a]"] * 1100}).encode()

    assert outcome_of_table(body, 1) == outcome_of_table(body, sys.maxsize) == (InvalidBody,)
