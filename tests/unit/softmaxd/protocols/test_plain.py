"""The readers of plain bodies and the schemas: never more is taken, and always the same numbers, bit for bit.

`PLAIN_EXAMPLES=1000000` draws so many passes of each kind instead of some hundreds; a pass has up to six bodies. With
`-s`, the numbers of drawn and of plain bodies are printed.
"""

import os
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import partial

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmaxd.errors import InvalidBody
from softmaxd.http.operation import Job
from softmaxd.models.calibration import DEFAULT_COVERAGE_BY
from softmaxd.models.features import DTYPES
from softmaxd.models.inputs import LARGE_BODY, read_json
from softmaxd.models.manifest import Manifest
from softmaxd.numerics.softmax import FEW_CLASSES
from softmaxd.numerics.trust import DEFAULT_COVERAGE
from softmaxd.protocols.native.codec import PredictJob, SoftmaxJob, decode_predict, decode_softmax
from softmaxd.protocols.native.schemas import PREDICT_REQUEST
from softmaxd.protocols.plain import FEWEST_ALIKE, plain_data, plain_instances, plain_logits, plain_tensors
from softmaxd.protocols.v2.codec import MAX_KNOWN_BYTES, InferJob, decode_infer
from tests.support.manifests import manifest
from tests.support.plain_bodies import alike, changed, in_field, infers, lists, odd_lists
from tests.support.tables import FEATURES

LENGTH = b"inference-header-content-length"
MAX_ROWS = 3
NULLABLE = [{"name": "x1", "nullable": True}, {"name": "x2"}]
PICTURE = [{"name": "picture", "shape": [2, 1]}]
TWO = manifest(2)
OF_FLOATS = [TWO, manifest(3), manifest(1, datatype="FP64"), manifest(2, datatype="FP64")]
OTHERS = [manifest(features=PICTURE), manifest(features=NULLABLE), manifest(features=FEATURES)]
OTHERS += [manifest(2, datatype=datatype) for datatype, dtype in DTYPES.items() if dtype.kind != "f"]
MANIFESTS = OF_FLOATS * 8 + OTHERS  # three of four have only floats

EXAMPLES = int(os.environ.get("PLAIN_EXAMPLES", "500" if "CI" in os.environ else "200"))
thousands = settings(max_examples=EXAMPLES)
drawn_bodies: Counter[str] = Counter()
plain_bodies: Counter[str] = Counter()


@pytest.fixture(scope="module", autouse=True)
def _print_counts() -> Iterator[None]:
    yield
    for kind, number in drawn_bodies.items():
        sys.stdout.write(f"\n{kind}: {number} bodies were drawn, {plain_bodies[kind]} of them plain")


def count(kind: str, bodies: Sequence[bytes], taken: Sequence[int]) -> None:
    drawn_bodies[kind] += len(bodies)
    plain_bodies[kind] += len(taken)


def without_numbers(job: Job) -> dict[str, object]:
    """Return the fields of a job that can be compared by `==`."""
    values = {field.name: getattr(job, field.name) for field in fields(job)}
    return {name: value for name, value in values.items() if not isinstance(value, np.ndarray)}


def check_instances(bodies: Sequence[bytes], of: Manifest) -> list[int]:
    """Compare a pass of bodies of `/predict` with the schema; return the indices of the plain ones."""
    plain = plain_instances(bodies, of)
    if plain is None:
        return []
    for index, row in zip(plain.indices, plain.numbers, strict=True):
        job = decode_predict(bodies[index], of, max_rows=MAX_ROWS)
        assert (job.features.dtype, job.features.shape) == (plain.numbers.dtype, (1, len(row)))
        assert job.features.tobytes() == row.tobytes(), bodies[index]
        expected = PredictJob(job.features, of, (), None, DEFAULT_COVERAGE, DEFAULT_COVERAGE_BY)
        assert without_numbers(job) == without_numbers(expected)
    return plain.indices


def check_logits(bodies: Sequence[bytes]) -> list[int]:
    """Compare a pass of bodies of `/softmax` with the schema; return the indices of the plain ones."""
    indices = []
    for plain in plain_logits(bodies, max_classes=FEW_CLASSES):
        for index, row in zip(plain.indices, plain.numbers, strict=True):
            job = decode_softmax(bodies[index], lambda *_: None)
            assert np.array(job.logits, np.float64).tobytes() == row.tobytes(), bodies[index]
            assert plain.numbers.dtype == np.float64
            assert without_numbers(job) == without_numbers(SoftmaxJob(None, job.logits, True, 1.0, None, ()))
        indices += plain.indices
    return sorted(indices)


def check_infer(bodies: Sequence[bytes], lengths: Sequence[bytes] | None, of: Manifest) -> list[int]:
    """Compare a pass of bodies of `/v2`, with JSON or with bytes, with the schema; return the indices of plain ones."""
    if lengths is None:
        plain = plain_data(bodies, of, max_rows=MAX_ROWS)
    else:
        plain = plain_tensors(bodies, lengths, of, max_rows=MAX_ROWS)
    if plain is None:
        return []
    start = 0
    for index, plan in zip(plain.indices, plain.plans, strict=True):
        headers = [] if lengths is None else [(LENGTH, lengths[index])]
        job = decode_infer(bodies[index], headers, of, max_rows=MAX_ROWS, max_bytes=10_000)
        features = plain.numbers[start : start + plan.rows]
        assert (features.dtype, features.shape) == (job.features.dtype, job.features.shape)
        assert features.tobytes() == job.features.tobytes(), bodies[index]
        assert without_numbers(job) == without_numbers(InferJob(job.features, of, plan.id, plan.wanted, None))
        start += plan.rows
    assert start == len(plain.numbers)
    return plain.indices


@given(st.data(), st.sampled_from(OF_FLOATS))
def test_plain_bodies_are_read_in_one_pass(data: st.DataObject, of: Manifest) -> None:
    width = of.layout.width
    rows = data.draw(st.lists(lists(width), min_size=1, max_size=2 * FEWEST_ALIKE))
    tensor = b'{"inputs":[{"name":"features","shape":[1,%d],"datatype":"%b","data":%b}]}'

    everyone = list(range(len(rows)))
    assert check_instances([b'{"instances":[%b]}' % row for row in rows], of) == everyone
    assert check_logits([b'{"logits": %b}' % row for row in rows]) == everyone
    assert check_infer([tensor % (width, of.datatype.encode(), row) for row in rows], None, of) == everyone


@given(st.data(), st.sampled_from(MANIFESTS))
@thousands
def test_instances_are_read_as_by_the_schema(data: st.DataObject, of: Manifest) -> None:
    row = odd_lists(of.layout.width)
    rows = st.tuples(row) | st.tuples(row) | st.lists(row, max_size=3)
    drawn = st.builds(b",".join, rows).flatmap(lambda text: in_field(b"instances", b"[%b]" % text))
    bodies = data.draw(st.lists(changed(drawn), max_size=6))

    taken = check_instances(bodies, of)
    count("instances", bodies, taken)

    assert set(taken) <= {index for index, body in enumerate(bodies) if check_instances([body], of)}


@given(st.data(), st.integers(1, FEW_CLASSES))
@thousands
def test_logits_are_read_as_by_the_schema(data: st.DataObject, classes: int) -> None:
    drawn = odd_lists(classes).flatmap(lambda text: in_field(b"logits", text))
    bodies = data.draw(st.lists(changed(drawn), max_size=6))

    taken = check_logits(bodies)
    count("logits", bodies, taken)

    assert set(taken) <= {index for index, body in enumerate(bodies) if check_logits([body])}


@given(st.data(), st.sampled_from(MANIFESTS), st.integers(1, MAX_ROWS + 1))
@thousands
def test_data_are_read_as_by_the_schema(data: st.DataObject, of: Manifest, rows: int) -> None:
    layout = of.layout
    numbers = odd_lists(rows * layout.width)
    drawn = numbers.flatmap(lambda text: infers(text, rows, layout.shape, layout.datatype))
    bodies = data.draw(st.lists(changed(drawn), max_size=6))

    taken = check_infer(bodies, None, of)
    count("data", bodies, taken)

    assert set(taken) <= {index for index, body in enumerate(bodies) if check_infer([body], None, of)}


TENSOR_FORM = b'{"inputs":[{"name":"features",%b"shape":[1,2],"datatype":"FP32"%b}]}'
FORMS = {
    check_instances: [
        *(b'{"instances":[[@]]}', b'{"instances": [[@]]}\n', b'{\n"instances":[[@]]}', b'{"instances":\n[[@]]\n}'),
        *(
            b'{"instances":[[@],[1,2]]}',
            b'{"instances":[[5,[@]]]}',
            b'{"instances":[@]}',
            b'{"instances":[[@]],"x":[1]}',
        ),
        *(b'{"instances":[[1,2]],"instances":[[@]]}', b'{"x":[[@]]}', b"[[@]]", b"@", b'{"instances":[[@]]'),
    ],
    check_logits: [
        *(b'{"logits":[@]}', b'{"logits": [@]}\n', b'{\n"logits":[@]}', b'{"logits":[[@]]}', b'{"logits":[1,[@]]}'),
        *(b'{"logits":[@],"logits":[1,2]}', b'{"logits":@}', b'{"logits":[null,[@]]}', b'{"logits":[@]'),
    ],
    partial(check_infer, lengths=None): [
        *(
            TENSOR_FORM % (b"", b',"data":[@]'),
            TENSOR_FORM % (b'"data":[@],', b""),
            TENSOR_FORM % (b'"data":[[@]],', b""),
        ),
        *(TENSOR_FORM % (b"\n", b',"data":[@]\n'), TENSOR_FORM % (b'"data":[5,[@]],', b""), b'{"data":[@]}'),
        *(TENSOR_FORM % (b'"data":[@],', b',"x":[1]'), TENSOR_FORM % (b'"x":[@],', b',"data":[1,2]')),
    ],
}


@given(st.data(), st.sampled_from([(check, form) for check, forms in FORMS.items() for form in forms]))
@thousands
def test_bodies_of_one_form_are_read_as_by_the_schema(
    data: st.DataObject, case: tuple[Callable[..., list[int]], bytes]
) -> None:
    check, form = case
    more = {} if check is check_logits else {"of": TWO}
    drawn = data.draw(alike(form, 2))
    bodies = drawn[:1] * FEWEST_ALIKE + drawn[1:]

    taken = check(bodies, **more)

    assert set(taken) <= {index for index, body in enumerate(bodies) if check([body], **more)}


PLAIN = b'{"instances":[[1,2]]}'
ONLY_TOGETHER = {
    "cut between two numbers": [PLAIN, b'{"instances":[[1,2,', b"3,4]]}"],
    "cut at the end of a line": [b'{\n"instances":[[1,2]]}', b'{\n"instances":[[1,2]]}\n{', b'"instances":[[3,4]]}'],
    "two bodies in one": [PLAIN, b'{"instances":[[1,2]]}\n{"instances":[[3,4]]}', PLAIN],
    "two bodies in one, and none": [PLAIN, b'{"instances":[[1,2]]}\n{"instances":[[3,4]]}', b""],
    "another end": [PLAIN, b'{"instances":[[1,2]]]'],
    "another end in between": [PLAIN, b'{"instances":[[1,2]]]', PLAIN],
    "a list in a row": [b'{"instances":[[5,[1,2]]]}', b'{"instances":[[5,[1,2]]]}'],
    "no number": [PLAIN, b'{"instances":[[1,]]}', PLAIN],
    "two numbers without a comma": [PLAIN, b'{"instances":[[1 2,]]}'],
    "one number moved": [PLAIN, b'{"instances":[[1]]}', b'{"instances":[[1,2,3]]}'],
    "another name": [PLAIN, b'{"ins1tances":[[1,2]]}'],
    "too long": [PLAIN, b'{"instances":[[1,%b2]]}' % (b" " * LARGE_BODY)],
}


@pytest.mark.parametrize("bodies", ONLY_TOGETHER.values(), ids=ONLY_TOGETHER)
def test_bodies_that_are_plain_only_together_are_not(bodies: list[bytes]) -> None:
    bodies = bodies[:1] * FEWEST_ALIKE + bodies[1:]
    plain = {index for index, body in enumerate(bodies) if check_instances([body], TWO)}

    assert set(check_instances(bodies, TWO)) == plain
    assert len(plain) < len(bodies)


@given(st.data(), st.sampled_from(MANIFESTS), st.integers(1, MAX_ROWS + 1))
@thousands
def test_tensors_are_read_as_by_the_schema(data: st.DataObject, of: Manifest, rows: int) -> None:
    layout = of.layout
    texts = data.draw(st.lists(changed(infers(None, rows, layout.shape, layout.datatype)) | st.just(b""), max_size=6))
    size = st.sampled_from([rows * layout.row_bytes] * 9 + [0, 1, layout.row_bytes])
    tensors = [data.draw(size.flatmap(lambda count: st.binary(min_size=count, max_size=count))) for _ in texts]
    odd = st.sampled_from([b"0", b"7", b"-1", b"x", b"", b"9" * 19, b"0007"])
    lengths = [data.draw(st.sampled_from([b"%d" % len(text)] * 9) | odd) for text in texts]
    bodies = [text + tensor for text, tensor in zip(texts, tensors, strict=True)]

    taken = check_infer(bodies, lengths, of)
    count("tensors", bodies, taken)

    alone = {index for index in range(len(bodies)) if check_infer([bodies[index]], [lengths[index]], of)}
    assert set(taken) <= alone


MANY_DIGITS = b"1" * 4301 + b"e-4301"
DEEP = b"[" * 201 + b"]" * 201
ONLY_FOR_ORJSON = {
    "more than 4,300 digits": b'{"instances":[[%b,2]]}' % MANY_DIGITS,
    "more than 4,300 digits that another value hides": b'{"instances":%b,"instances":[[1,2]]}' % MANY_DIGITS,
    "brackets 201 deep that another value hides": b'{"instances":%b,"instances":[[1,2]]}' % DEEP,
    "brackets 201 deep behind an escaped name": b'{"inst\\u0061nces":%b,"instances":[[1,2]]}' % DEEP,
    "true": b'{"instances":[[true,2]]}',
    "a text": b'{"instances":[["1",2]]}',
    "another field": b'{"instances":[[1,2]],"x":1}',
}
ONLY_FOR_THE_SCHEMA = {
    "a hidden NaN": b'{"instances":NaN,"instances":[[1,2]]}',
    "a hidden Infinity": b'{"instances":-Infinity,"instances":[[1,2]]}',
    "a hidden number beyond float64": b'{"instances":1e400,"instances":[[1,2]]}',
    "a hidden integer beyond float64": b'{"instances":%b,"instances":[[1,2]]}' % (b"9" * 310),
}
FOR_NEITHER = {
    "a byte order mark": b'\xef\xbb\xbf{"instances":[[1,2]]}',
    "a byte after the body": b'{"instances":[[1,2]]}\x00',
    "a vertical tab after the body": b'{"instances":[[1,2]]}\x0b',
    "a blank of Unicode": b'\xc2\xa0{"instances":[[1,2]]}',
    "half a surrogate": b'{"instances":"\\ud800","instances":[[1,2]]}',
    "the other half": b'{"instances":"\\udc00","instances":[[1,2]]}',
    "half a surrogate in UTF-8": b'{"instances":"\xed\xa0\x80","instances":[[1,2]]}',
    "a control character": b'{"instances":"\x01","instances":[[1,2]]}',
    "a number beyond float64": b'{"instances":[[1e400,2]]}',
    "NaN": b'{"instances":[[NaN,2]]}',
    "a leading zero": b'{"instances":[[01,2]]}',
    "a comma too many": b'{"instances":[[1,2],]}',
    "nothing": b"",
}
DIFFERENCES = [(body, (True, False)) for body in ONLY_FOR_ORJSON.values()]
DIFFERENCES += [(body, (False, True)) for body in ONLY_FOR_THE_SCHEMA.values()]
DIFFERENCES += [(body, (False, False)) for body in FOR_NEITHER.values()]
NAMES = [*ONLY_FOR_ORJSON, *ONLY_FOR_THE_SCHEMA, *FOR_NEITHER]


def reads(read: Callable[[bytes], object], body: bytes) -> bool:
    try:
        read(body)
    except (orjson.JSONDecodeError, InvalidBody):
        return False
    return True


@pytest.mark.parametrize(("body", "read_by"), DIFFERENCES, ids=NAMES)
def test_a_body_that_only_one_parser_reads_is_not_plain(body: bytes, read_by: tuple[bool, bool]) -> None:
    by_schema = partial(read_json, PREDICT_REQUEST)

    assert (reads(orjson.loads, body), reads(by_schema, body)) == read_by
    assert plain_instances([body], TWO) is None


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        *(("-0", 0.0), ("-0.0", -0.0), ("15", 15.0), ("1E5", 1e5), ("1e-400", 0.0), ("9007199254740993", 2.0**53)),
        *(("18446744073709551615", 2.0**64), ("18446744073709553665", 2.0**64 + 2.0**12)),
        ("36893488147419107329", 2.0**65 + 2.0**13),
    ],
)
def test_an_odd_number_is_plain(number: str, expected: float) -> None:
    of = manifest(1, datatype="FP64")
    body = b'{"instances":[[%b]]}' % number.encode()

    plain = plain_instances([body], of)

    assert plain is not None
    assert plain.numbers.tobytes() == struct.pack("d", expected)
    assert check_instances([body], of) == [0]


def test_a_pass_with_a_number_that_the_type_cannot_hold_is_left_to_the_schema() -> None:
    good = b'{"instances":[[1,2]]}'

    assert check_instances([good, good], TWO) == [0, 1]
    for bad in (b'{"instances":[[1e39,2]]}', b'{"instances":[[null,2]]}'):
        assert plain_instances([good, bad, good], TWO) is None


def test_a_long_body_is_not_plain() -> None:
    body = b'{"instances":[[1,2]]}'

    assert check_instances([body.ljust(LARGE_BODY - 1), body.ljust(LARGE_BODY)], TWO) == [0]
    assert plain_logits([b'{"logits":[1]}'.ljust(LARGE_BODY)], max_classes=9) == []
    assert plain_data([INFER.ljust(LARGE_BODY)], TWO, max_rows=9) is None
    long = DESCRIPTION.ljust(MAX_KNOWN_BYTES + 1)
    assert plain_tensors([long + bytes(8)], [b"%d" % len(long)], TWO, max_rows=9) is None


def test_logits_come_by_their_number() -> None:
    texts = [b"[1, 2.5]", b"[3]", b"[]", b"[4, 5]", b"[[6, 7]]", b"[1, 2, 3]", b"[true]"]
    bodies = [b'{"logits": %b}' % text for text in texts]

    plain = plain_logits(bodies, max_classes=2)

    assert [(each.numbers.tolist(), each.indices) for each in plain] == [([[1.0, 2.5], [4.0, 5.0]], [0, 3])]


INFER = b'{"inputs":[{"name":"features","shape":[1,2],"datatype":"FP32","data":[1,2]}]}'
DESCRIPTION = (
    b'{"inputs":[{"name":"features","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}]'
    b',"outputs":[{"name":"logits"}]}'
)


def test_data_bring_their_rows_and_the_other_fields_of_the_request() -> None:
    outputs = INFER[:-1] + b',"outputs":[{"name":"logits"}]}'
    two_rows = INFER.replace(b"[1,2]", b"[2,2]", 1).replace(b":[1,2]}", b":[3,4,5,6]}")
    nested = INFER.replace(b":[1,2]}", b": [ [7,8] ]}")

    plain = plain_data([outputs, b"", two_rows, nested], TWO, max_rows=2)

    assert plain is not None
    assert plain.numbers.tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]
    assert plain.indices == [0, 2, 3]
    assert [plan.rows for plan in plain.plans] == [1, 2, 1]
    assert [len(plan.wanted) for plan in plain.plans] == [1, 2, 2]
    assert plain_data([two_rows], TWO, max_rows=1) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"inputs"', b'{"id":"1","inputs"'),
        (b'"data":[1,2]', b'"data":[[1],[2]]'),
        (b'"data":[1,2]', b'"data":[1,2,3]'),
        (b'"data":[1,2]', b'"data":[]'),
        (b'"data":[1,2]', b'"data":[1,2'),
        (b'"data":[1,2]', b'"data":[9,9],"data":[1,2]'),
        (b'"data":[1,2]', b'"x":"\\"data\\":[3,4]"'),
        (b'"data":[1,2]', b'"x":{"data":[9,9]},"data":[1,2]'),
        (b'"data":[1,2]', b'"parameters":{"binary_data_size":8},"x":{"data":[1,2]}'),
        (b"}]}", b'}],"outputs":[{"name":"typicality"}]}'),
    ],
)
def test_unusual_data_are_left_to_the_schema(old: bytes, new: bytes) -> None:
    assert plain_data([INFER.replace(old, new)], TWO, max_rows=9) is None


def test_tensors_bring_their_rows_and_the_other_fields_of_the_request() -> None:
    numbers = np.arange(6, dtype=np.float32)
    bodies = [DESCRIPTION + numbers[:2].tobytes(), b"", numbers[2:].tobytes()]

    plain = plain_tensors(bodies, [b"%d" % len(DESCRIPTION), b"1", b"0"], TWO, max_rows=2)

    assert plain is not None
    assert (plain.numbers.ravel().tolist(), plain.indices) == (numbers.tolist(), [0, 2])
    assert [(plan.rows, len(plan.wanted)) for plan in plain.plans] == [(1, 1), (2, 2)]


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_pass_with_bytes_that_are_not_finite_is_left_to_the_schema(number: float) -> None:
    bodies = [np.array([1, value], np.float32).tobytes() for value in (1, number)]

    assert plain_tensors(bodies, [b"0", b"0"], TWO, max_rows=1) is None
    assert plain_tensors(bodies[:1], [b"0"], TWO, max_rows=1) is not None


def test_integers_are_plain_as_bytes_only() -> None:
    of = manifest(2, datatype="INT64")
    tensor = np.array([[2**62, -1]], np.int64).tobytes()

    assert check_infer([tensor], [b"0"], of) == [0]
    assert check_infer([INFER.replace(b"FP32", b"INT64")], None, of) == []
    assert check_instances([b'{"instances":[[1,2]]}'], of) == []


def test_no_body_for_a_table_is_plain() -> None:
    of = manifest(features=NULLABLE)

    assert check_instances([b'{"instances":[[1,2]]}'], of) == []
    assert check_infer([INFER], None, of) == []
    assert check_infer([bytes(8)], [b"0"], of) == []
