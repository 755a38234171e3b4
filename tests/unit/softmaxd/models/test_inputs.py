"""The fast reader and the pydantic schema: the same bodies, the same numbers bit for bit, the same errors."""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from softmaxd.errors import InvalidBody, TooLarge
from softmaxd.models import large_json
from softmaxd.models.features import DTYPES, Datatype
from softmaxd.models.hopeless import check_rows
from softmaxd.models.inputs import LARGE_BODY, read_features, read_logits
from softmaxd.models.large_json import PIECE
from softmaxd.numerics.softmax import FEW_CLASSES
from softmaxd.protocols.native.schemas import PREDICT_REQUEST, SOFTMAX_REQUEST
from tests.support.manifests import manifest
from tests.support.mutations import fuzz, mutations

MAX_ROWS = 6
NEVER = 2**40  # as fast_from: the schema reads every body

INTEGERS = [datatype for datatype, dtype in DTYPES.items() if dtype.kind != "f"]

Outcome = tuple[object, ...]


def outcome(
    body: bytes, *, width: int = 2, datatype: Datatype = "FP32", fast_from: int = 0, max_rows: int = MAX_ROWS
) -> Outcome:
    """Return all that can be told of a body: its numbers as bytes and its other fields, or its error."""
    try:
        features, request = read_features(
            PREDICT_REQUEST, body, manifest(width, datatype=datatype), max_rows=max_rows, fast_from=fast_from
        )
    except InvalidBody as error:
        return InvalidBody, error.problems
    except TooLarge as error:
        return TooLarge, error.detail
    assert features.flags.c_contiguous
    return features.dtype, features.shape, features.tobytes(), request.get("include"), repr(request.get("top_k"))


def limits_of(datatype: Datatype) -> tuple[int, int]:
    """Return the lowest and the highest number that a body of JSON may have for an integer type."""
    own = np.iinfo(DTYPES[datatype])
    return max(int(own.min), 1 - 2**53), min(int(own.max), 2**53 - 1)


def softmax_body(body: bytes) -> bytes:
    """Return the body of a prediction as one for softmax: logits for instances, and other fields that it has."""
    names = {b'"logits"': b'"entropy"', b"instances": b"logits", b"inst\\u0061nces": b"l\\u006fgits"}
    for old, new in (names | {b"top_k": b"temperature"}).items():
        body = body.replace(old, new)
    return body


def softmax_outcome(body: bytes, *, fast_from: int = 0, max_rows: int = MAX_ROWS) -> Outcome:
    """Return the same of a body with logits."""
    try:
        logits, is_vector, request = read_logits(
            SOFTMAX_REQUEST, body, lambda rows, *_: check_rows(rows, max_rows), fast_from=fast_from
        )
    except InvalidBody as error:
        return InvalidBody, error.problems
    except TooLarge as error:
        return TooLarge, error.detail
    matrix = np.array(logits, dtype=np.float64)
    return matrix.shape, matrix.tobytes(), is_vector, request.get("include"), repr(request.get("temperature"))


def is_read_fast(
    body: bytes, *, width: int = 2, datatype: Datatype = "FP32", fast_from: int = 0, max_rows: int = MAX_ROWS
) -> bool:
    """Return whether the fast reader answers a body; it leaves no instances in the request."""
    try:
        _, request = read_features(
            PREDICT_REQUEST, body, manifest(width, datatype=datatype), max_rows=max_rows, fast_from=fast_from
        )
    except (InvalidBody, TooLarge):
        return False
    return request["instances"] == []


PROVED = {
    "plain": b'{"instances":[[1.5,2.25],[3.5,-4.5]]}',
    "blanks": b' \t\r\n{ "instances" :\n[ [ 1.5 , 2 ] ,\t[3.5\r,-4.5 ] ] } \n',
    "integers": b'{"instances":[[1,-2],[0,9223372036854775807],[-9223372036854775808,18446744073709551615]]}',
    "integers that float64 rounds": b'{"instances":[[9007199254740993,-9007199254740995],[9223372036854775809,1]]}',
    "exponents": b'{"instances":[[1e3,-2E-3],[0e+999,1.5E+07]]}',
    "negative zeros": b'{"instances":[[-0,-0.0],[0,-0e1]]}',
    "float32 rounds up, down and to even": b'{"instances":[[16777217,16777219],[1.00000005960464477539062501,0.1]]}',
    "denormals": b'{"instances":[[1e-45,7e-46],[5e-324,-2.2250738585072011e-308]]}',
    "below float64": b'{"instances":[[1e-400,-1e-99999999999999999999]]}',
    "as large as float32": b'{"instances":[[3.4028235e38,-3.4028235677973362e38]]}',
    "800 digits": b'{"instances":[[0.%s,%s.5]]}' % (b"123456789" * 89, b"1" * 17),
    "include before": b'{"include":["logits"],"instances":[[1,2]]}',
    "include after": b'{"instances":[[1,2]],"include":["log_probabilities","logits"]}',
    "top_k": b'{"top_k":1,"instances":[[1,2]],"include":[]}',
    "top_k after": b'{"instances":[[1,2]],"top_k":18446744073709551616}',
    "another field twice": b'{"top_k":1,"instances":[[1,2]],"top_k":2}',
    "as many rows as allowed": b'{"instances":[%s[1,2]]}' % (b"[1,2]," * (MAX_ROWS - 1)),
}
NOT_PROVED = {
    "rows by name": b'{"instances":[{"x1":1,"x2":2},{"x2":4,"x1":3}]}',
    "an integer beyond 64 bits": b'{"instances":[[1,18446744073709551616]]}',
    "instances twice": b'{"instances":[[1,2]],"instances":[[3,4]]}',
    "instances twice, empty first": b'{"instances":[],"instances":[[3,4]]}',
    "instances twice, empty last": b'{"instances":[[1,2]],"instances":[]}',
    "instances and an escape of it": b'{"instances":[[1,2]],"inst\\u0061nces":[[3,4]]}',
    "an escape of instances": b'{"inst\\u0061nces":[[3,4]]}',
    "an escaped value": b'{"include":["l\\u006fgits"],"instances":[[1,2]]}',
    "instances in a string": b'{"a\\"instances":[[1,2]],"instances":[[3,4]]}',
    "instances as a value": b'{"include":["instances",[[1,2]]]}',
    "instances within a field": b'{"include":{"instances":[[1,2]]}}',
    "101 unknown fields": b'{"instances":[[1,2]],%s}' % b",".join(b'"%d":1' % number for number in range(101)),
    "an unknown field": b'{"instances":[[1,2]],"other":[[1,2]]}',
    "no instances": b'{"include":["logits"]}',
    "null": b'{"instances":null}',
    "a number": b'{"instances":5,"include":["logits"]}',
    "no rows": b'{"instances":[]}',
    "an empty row": b'{"instances":[[]]}',
    "empty rows": b'{"instances":[[],[]]}',
    "a vector": b'{"instances":[1,2]}',
    "too deep": b'{"instances":[[[1,2]]]}',
    "too deep in a row": b'{"instances":[[1,[2]]]}',
    "ragged": b'{"instances":[[1,2],[3],[4,5,6]]}',
    "a number after a row": b'{"instances":[[1,2]5,[3,4]]}',
    "a number before a row": b'{"instances":[5[1,2],[3,4]]}',
    "a number after the last row": b'{"instances":[[1,2],[3,4]5]}',
    "a number after the rows": b'{"instances":[[1,2]],5]}',
    "a number before the rows": b'{"instances":5[[1,2]]}',
    "no number": b'{"instances":[[1,]]}',
    "two numbers": b'{"instances":[[1 1,2]]}',
    "two rows without a comma": b'{"instances":[[1,2][3,4]]}',
    "a comma too many": b'{"instances":[[1,2],]}',
    "a bracket too many": b'{"instances":[[1,2]]]}',
    "a bracket too few": b'{"instances":[[1,2]}',
    "swapped brackets": b'{"instances":[[1,2]},{[3,4]]}',
    "true": b'{"instances":[[1,true]]}',
    "null in a row": b'{"instances":[[1,null]]}',
    "a string in a row": b'{"instances":[[1,"2"]]}',
    "NaN": b'{"instances":[[1,NaN]]}',
    "Infinity": b'{"instances":[[1,-Infinity]]}',
    "e alone": b'{"instances":[[1,e]]}',
    "a sign alone": b'{"instances":[[1,-]]}',
    "a leading zero": b'{"instances":[[1,02]]}',
    "a plus": b'{"instances":[[1,+2]]}',
    "a point at an end": b'{"instances":[[1,2.]]}',
    "beyond float64": b'{"instances":[[1,1e309]]}',
    "5,000 digits": b'{"instances":[[1,%s]]}' % (b"9" * 5000),
    "150,000 brackets": b'{"instances":%s%s}' % (b"[" * 150_000, b"]" * 150_000),
    "150,000 open brackets": b'{"instances":' + b"[" * 150_000,
    "a form feed": b'{"instances":[[1,\x0c2]]}',
    "a NUL": b'{"instances":[[1,2\x00]]}',
    "a NUL at the end": b'{"instances":[[1,2]]}\x00',
    "a byte order mark": b'\xef\xbb\xbf{"instances":[[1,2]]}',
    "a byte order mark in the array": b'{"instances":\xef\xbb\xbf[[1,2]]}',
    "not UTF-8": b'{"instances":[[1,2]],"include":["\xff"]}',
    "not UTF-8 in a row": b'{"instances":[[1,\xff2]]}',
    "UTF-16": '{"instances":[[1,2]]}'.encode("utf-16"),
    "a lone surrogate": b'{"instances":[[1,2]],"include":["\\ud800"]}',
    "trailing bytes": b'{"instances":[[1,2]]}x',
    "two documents": b'{"instances":[[1,2]]}{"instances":[[1,2]]}',
    "a list": b'[{"instances":[[1,2]]}]',
    "truncated": b'{"instances":[[1,2],[3',
    "a wrong include": b'{"instances":[[1,2]],"include":["probabilities"]}',
    "a wrong top_k": b'{"instances":[[1,2]],"top_k":1.0}',
    "a comment": b'{"instances":[[1,2]/*]*/]}',
    "empty": b"",
}
REFUSED = {  # by the model's width, the limit of rows, and float32
    "wider than the model": b'{"instances":[[1,2,3],[4,5,6]]}',
    "narrower than the model": b'{"instances":[[1],[2]]}',
    "beyond float32": b'{"instances":[[1,2],[3,1e39]]}',
    "rounded beyond float32": b'{"instances":[[1,2],[3.4028235677973366e38,1]]}',
    "too many rows": b'{"instances":[%s[1,2]]}' % (b"[1,2]," * MAX_ROWS),
}
BODIES = PROVED | NOT_PROVED | REFUSED


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("datatype", ["FP32", "FP64", "INT8", "UINT64"])
def test_a_body_is_answered_alike_by_both_readers(body: bytes, width: int, datatype: Datatype) -> None:
    fast = outcome(body, width=width, datatype=datatype)

    assert fast == outcome(body, width=width, datatype=datatype, fast_from=NEVER)


@pytest.mark.parametrize("body", [softmax_body(body) for body in BODIES.values()], ids=BODIES)
def test_a_body_with_logits_is_answered_alike_by_both_readers(body: bytes) -> None:
    assert softmax_outcome(body) == softmax_outcome(body, fast_from=NEVER)


@pytest.mark.parametrize("size", [0, LARGE_BODY])
def test_only_a_large_matrix_of_logits_takes_the_fast_reader(size: int) -> None:
    body = b'{"logits":[[1,2e300]],"temperature":2}'.ljust(size)

    logits, is_vector, request = read_logits(SOFTMAX_REQUEST, body, lambda *_: None)

    assert np.array(logits).tolist() == [[1.0, 2e300]]
    assert not is_vector
    assert request["logits"] == ([] if size else [[1.0, 2e300]])
    assert request["temperature"] == 2.0


@pytest.mark.parametrize("body", PROVED.values(), ids=PROVED)
def test_plain_rows_take_the_fast_reader(body: bytes) -> None:
    assert is_read_fast(body)
    assert not is_read_fast(body, fast_from=NEVER)


@pytest.mark.parametrize("body", NOT_PROVED.values(), ids=NOT_PROVED)
def test_what_is_not_plain_is_left_to_the_schema(body: bytes) -> None:
    assert not is_read_fast(body)


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_plain_rows_that_the_model_cannot_take_are_refused(body: bytes) -> None:
    assert outcome(body)[0] in {InvalidBody, TooLarge}


@pytest.mark.parametrize("body", [b'{"instances":[[],[1]]}', b'{"instances":[[ ],[ ]]}', b'{"instances":[[1],[]]}'])
def test_an_empty_row_is_not_a_row_of_one_number(body: bytes) -> None:
    assert outcome(body, width=1)[0] is InvalidBody
    assert is_read_fast(b'{"instances":[[1],[2]]}', width=1)


@pytest.mark.parametrize(("size", "is_fast"), [(0, False), (LARGE_BODY - 1, False), (LARGE_BODY, True)])
def test_only_large_bodies_take_the_fast_reader(size: int, is_fast: bool) -> None:
    body = b'{"instances":[[1,2]]}'.ljust(size)

    assert is_read_fast(body, fast_from=LARGE_BODY) is is_fast
    _, request = read_features(PREDICT_REQUEST, body, manifest(2), max_rows=1)
    assert (request["instances"] == []) is is_fast


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize(("count", "width"), [(20_000, 2), (3_000, 13), (30_000, 1), (2, 20_000)])
def test_a_body_of_many_pieces_is_read_alike_by_both_readers(
    separators: tuple[str, str], count: int, width: int
) -> None:
    numbers = np.random.default_rng(count).normal(size=(count, width)) * 10.0 ** (np.arange(width) % 20 - 10)
    body = json.dumps({"instances": numbers.tolist(), "top_k": 1}, separators=separators).encode()

    assert len(body) > 2 * PIECE
    assert is_read_fast(body, width=width, max_rows=count)
    assert outcome(body, width=width, max_rows=count) == outcome(body, width=width, max_rows=count, fast_from=NEVER)


blanks = st.sampled_from(["", "", "", " ", "  ", "\n", "\t\r\n "])
float32s = st.floats(width=32, allow_nan=False, allow_infinity=False)
float64s = st.floats(allow_nan=False, allow_infinity=False)
between_float32s = st.tuples(st.integers(-(2**24), 2**24), st.integers(-150, 103)).map(
    lambda pair: repr((2 * pair[0] + 1) * 2.0 ** pair[1])
)
near_powers_of_2 = st.tuples(st.integers(50, 130), st.integers(-3, 3)).map(lambda pair: str(2 ** pair[0] + pair[1]))
digits = st.text("0123456789", min_size=1, max_size=30)
decimals = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "-"]),
        st.sampled_from(["0", "1", "9", "42"]) | digits,
        st.sampled_from(["", "."]) | digits.map(lambda text: f".{text}"),
        st.sampled_from(["", "e", "E+", "e-"]) | st.integers(-400, 400).map(lambda exponent: f"e{exponent}"),
    ),
)
plain_numbers = (
    st.integers(-1000, 1000).map(str)
    | st.floats(-100, 100).map(repr)
    | float32s.map(repr)
    | float32s.map(lambda value: f"{value:.9e}")
)
numbers = (
    plain_numbers
    | float64s.map(repr)
    | float64s.map(lambda value: f"{value:.20E}")
    | between_float32s
    | near_powers_of_2
    | decimals
    | st.sampled_from(["-0", "-0.0", "1e39", "1e-46", "1e999", "true", "null", '"1"', "NaN", "-Infinity", "[1]", "{}"])
)
whole_numbers = (
    st.integers(-200, 300).map(str)
    | st.integers(-(2**65), 2**65).map(str)
    | st.sampled_from([2**bits + off for bits in (7, 8, 15, 16, 31, 32, 53, 63, 64) for off in (-1, 0, 1)]).map(str)
    | st.sampled_from(["1.0", "-0", "25e-1", "25e1", "9007199254740991.0", "9007199254740992e0"])
)
includes = st.lists(st.sampled_from(["logits", "log_probabilities"]), max_size=2).map(json.dumps)
others = st.fixed_dictionaries({}, optional={"include": includes, "top_k": st.integers(1, 3).map(str)})


def join(parts: Sequence[str], draw: st.DrawFn) -> str:
    """Return parts as they stand in a JSON array or object, with any blanks around them."""
    return ",".join(f"{draw(blanks)}{part}{draw(blanks)}" for part in parts)


@st.composite
def documents(draw: st.DrawFn, number: st.SearchStrategy[str], widths: st.SearchStrategy[int]) -> bytes:
    """Draw a request with its fields in any order and formatting; `widths` gives the width of each row."""
    table = [
        draw(st.lists(number, min_size=width, max_size=width))
        for width in draw(st.lists(widths, max_size=MAX_ROWS + 1))
    ]
    instances = f"[{join([f'[{join(row, draw)}]' for row in table], draw)}]"
    fields = draw(others) | {"instances": instances}
    names = draw(st.permutations(sorted(fields)))
    inside = join([f'"{name}"{draw(blanks)}:{draw(blanks)}{fields[name]}' for name in names], draw)
    return f"{draw(blanks)}{{{inside}}}{draw(blanks)}".encode()


any_widths = st.just(2) | st.integers(0, 3)


def agree(fast: Outcome, slow: Outcome) -> bool:
    """Return whether both readers answer alike; the fast one refuses too many rows before it looks at their numbers."""
    return fast == slow or (fast[0] is TooLarge and slow[0] is InvalidBody)


def assert_both_readers_agree(body: bytes, *, width: int = 2) -> None:
    assert agree(outcome(body, width=width), outcome(body, width=width, fast_from=NEVER))
    with_logits = softmax_body(body)
    assert agree(softmax_outcome(with_logits), softmax_outcome(with_logits, fast_from=NEVER))


@contextlib.contextmanager
def pieces_of(size: int) -> Iterator[None]:
    """Let simdjson have small pieces, such that a short body has several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_json, "PIECE", size)
        yield


pieces = st.sampled_from([1, 10, 40, PIECE])


@fuzz
@given(documents(plain_numbers, st.just(2)), pieces)
@example(b'{"instances":[[1,2] ,[3,4]\n, [5,6] ]}', 1)
def test_a_good_body_in_any_formatting_takes_the_fast_reader(body: bytes, piece: int) -> None:
    with pieces_of(piece):
        assert_both_readers_agree(body)
        assert is_read_fast(body) == (1 <= len(json.loads(body)["instances"]) <= MAX_ROWS)


@fuzz
@given(documents(numbers, any_widths) | documents(numbers, st.just(2)), st.integers(1, 3), pieces)
def test_any_rows_are_read_alike_by_both_readers(body: bytes, width: int, piece: int) -> None:
    with pieces_of(piece):
        assert_both_readers_agree(body, width=width)


@fuzz
@given(st.lists(numbers | plain_numbers, min_size=FEW_CLASSES - 1, max_size=20), blanks, pieces)
def test_a_vector_of_logits_is_read_alike_by_both_readers(vector: list[str], blank: str, piece: int) -> None:
    body = f'{{"logits":[{f"{blank},".join(vector)}],"temperature":2}}'.encode()

    with pieces_of(piece):
        assert softmax_outcome(body) == softmax_outcome(body, fast_from=NEVER)


@pytest.mark.parametrize(("classes", "is_fast"), [(FEW_CLASSES, False), (FEW_CLASSES + 1, True)])
def test_a_vector_of_few_logits_stays_a_list(classes: int, is_fast: bool) -> None:
    body = json.dumps({"logits": [0.5] * classes}).encode()

    logits, is_vector, _ = read_logits(SOFTMAX_REQUEST, body, lambda *_: None, fast_from=0)

    assert is_vector
    assert isinstance(logits, list) is not is_fast
    assert np.array(logits).tolist() == [[0.5] * classes]


@fuzz
@given(
    documents(whole_numbers, st.just(2)) | documents(whole_numbers | numbers, st.integers(1, 2)),
    st.sampled_from(sorted(DTYPES)),
    pieces,
)
def test_rows_of_any_type_are_read_alike_by_both_readers(body: bytes, datatype: Datatype, piece: int) -> None:
    with pieces_of(piece):
        assert agree(outcome(body, datatype=datatype), outcome(body, datatype=datatype, fast_from=NEVER))


@fuzz
@given(st.lists(st.lists(float64s, min_size=2, max_size=2), min_size=1, max_size=MAX_ROWS))
@example([[0.1, 1e39]])
def test_float64_is_kept_to_the_last_bit(values: list[list[float]]) -> None:
    body = json.dumps({"instances": values}).encode()
    by_name = json.dumps({"instances": [{"x2": second, "x1": first} for first, second in values]}).encode()
    expected = np.array(values, dtype=np.float64).tobytes()

    assert outcome(body, datatype="FP64", fast_from=NEVER)[:3] == (np.float64, (len(values), 2), expected)
    assert outcome(by_name, datatype="FP64")[:3] == (np.float64, (len(values), 2), expected)
    assert is_read_fast(body, datatype="FP64")


@pytest.mark.parametrize("fast_from", [0, NEVER])
@pytest.mark.parametrize("datatype", INTEGERS)
def test_an_integer_type_takes_all_that_it_has_and_that_json_tells(datatype: Datatype, fast_from: int) -> None:
    low, high = limits_of(datatype)
    values = [[low, high], [0, 1]]
    body = json.dumps({"instances": values}).encode()

    found = outcome(body, datatype=datatype, fast_from=fast_from)

    assert found[:3] == (DTYPES[datatype], (2, 2), np.array(values, DTYPES[datatype]).tobytes())
    assert outcome(body.replace(b"0, 1", b"-0.0, 10E-1"), datatype=datatype, fast_from=fast_from) == found
    assert is_read_fast(body, datatype=datatype)


@pytest.mark.parametrize("fast_from", [0, NEVER])
@pytest.mark.parametrize("datatype", INTEGERS)
def test_a_number_that_an_integer_type_does_not_have_is_refused_with_its_place(
    datatype: Datatype, fast_from: int
) -> None:
    own = np.iinfo(DTYPES[datatype])
    low, high = limits_of(datatype)
    has = f"Input should be a whole number from {own.min} to {own.max}, as the model takes {datatype}"
    rounds = f"Input should be less than 2**53 in size, as JSON rounds from there; /v2 takes all of {datatype} as bytes"

    for number, kind, message in (
        ("0.5", "int_type", has),
        ("-1e300", "int_range", has),
        ("36893488147419103232", "int_range", has),
        (str(low - 1), "int_range", has if own.min == low else rounds),
        (str(high + 1), "int_range", has if own.max == high else rounds),
    ):
        body = b'{"instances":[[1,2],[3,%s]]}' % number.encode()
        problem = {"type": kind, "loc": ["instances", 1, 1], "msg": message}
        assert outcome(body, datatype=datatype, fast_from=fast_from) == (InvalidBody, (problem,))


def test_an_integer_that_json_rounds_is_refused_whatever_it_becomes() -> None:
    for number in (b"9007199254740992", b"9007199254740993", b"-9007199254740993"):
        body = b'{"instances":[[1,%s]]}' % number
        assert outcome(body, datatype="INT64")[0] is InvalidBody


@fuzz
@given(
    documents(plain_numbers, st.just(2)) | documents(numbers, any_widths),
    st.lists(mutations(), min_size=1, max_size=3),
    pieces,
)
def test_any_change_of_a_body_is_read_alike_by_both_readers(
    body: bytes, changes: Sequence[Callable[[bytes], bytes]], piece: int
) -> None:
    for change in changes:
        body = change(body)

    with pieces_of(piece):
        assert_both_readers_agree(body)


@fuzz
@given(st.binary() | st.text(',[]{}":0123456789.eE+- instaceuldop_k').map(str.encode), pieces)
def test_any_bytes_are_read_alike_by_both_readers(body: bytes, piece: int) -> None:
    with pieces_of(piece):
        assert_both_readers_agree(body)
        assert_both_readers_agree(b'{"instances":[%s]}' % body)


@fuzz
@given(st.lists(st.lists(st.floats(-3.4e38, 3.4e38), min_size=2, max_size=2), min_size=1, max_size=MAX_ROWS))
def test_float32_is_what_numpy_makes_of_the_python_floats(values: list[list[float]]) -> None:
    body = json.dumps({"instances": values}).encode()

    features, _ = read_features(PREDICT_REQUEST, body, manifest(2), max_rows=MAX_ROWS, fast_from=0)

    assert features.tobytes() == np.array(values, dtype=np.float32).tobytes()


def test_of_many_features_a_message_lists_the_first() -> None:
    with pytest.raises(
        InvalidBody, match=r"^instances\[0\]: Input should be 30 numbers \(x1, x2, .*, x20 and 10 more\), not 1$"
    ):
        read_features(PREDICT_REQUEST, b'{"instances":[[1]]}', manifest(30), max_rows=1)
