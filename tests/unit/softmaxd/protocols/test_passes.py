"""Answers that are cut out of the text of a batch are those of the operation itself, bit for bit."""

import struct
from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmaxd.app import create_app
from softmaxd.http.compression import MIN_DEFLATED
from softmaxd.http.heads import PlainHead
from softmaxd.http.operation import Headers, Operation
from softmaxd.http.passes import Reader
from softmaxd.http.replies import SHORT
from softmaxd.models.inputs import LARGE_BODY
from softmaxd.models.model import Model
from softmaxd.models.outputs import NOT_ASKED
from softmaxd.protocols.passes import FEWEST_LOGITS, InferReader
from softmaxd.settings import Settings
from tests.support.paths import MODELS

PREDICT, SOFTMAX, INFER = "/predict", "/softmax", "/v2/models/{name}/infer"
JSON_LENGTH = b"inference-header-content-length"

numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
finite = st.floats(-(2**60), 2**60, width=32)


@cache
def readers() -> dict[str, tuple[Operation, Reader]]:
    """Return each operation with its reader, by its path."""
    found = create_app(Settings(models_dir=MODELS)).state.readers
    return {operation.path: (operation, reader) for operation, reader in found.items()}


def plain_head(path: str, headers: Headers, size: int, encoding: bytes = b"") -> PlainHead:
    return PlainHead((readers()[path][0], None, None), headers, size, encoding)


def check(path: str, model: Model | None, bodies: Sequence[bytes], headers: Headers = ()) -> None:
    """Compare the answers of a pass with those that the operation gives to each body alone."""
    operation, reader = readers()[path]
    kind = reader.kind(plain_head(path, headers, len(bodies[0])))
    assert kind is not None
    answered: list[int] = []

    for read in reader.read(bodies, kind, model):
        assert len(read.features) == len(read.indices)
        texts = read.texts(NOT_ASKED if model is None else model.run(read.features))
        jobs = list(read.jobs([headers] * len(read.indices)))
        for place, index in enumerate(read.indices):
            job = operation.decode(bodies[index], headers, model)
            assert repr(jobs[place]) == repr(job)
            alone = NOT_ASKED if model is None or job.features is None else model.run(job.features)
            reply = operation.encode(alone, job)
            assert texts is not None
            assert texts.bodies[place] == reply.body
            assert (texts.media_type, texts.headers) == (reply.media_type, reply.headers)
        answered += read.indices

    assert sorted(answered) == list(range(len(bodies)))


def blobs() -> Model:
    found: Model | None = readers()[PREDICT][0].find(None, None)
    assert found is not None
    return found


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=20))
@settings(max_examples=50)
def test_answers_of_predict_are_those_of_each_alone(rows: list[tuple[float, float]]) -> None:
    check(PREDICT, blobs(), [b'{"instances":[[%b,%b]]}' % (digits(x1), digits(x2)) for x1, x2 in rows])


def digits(number: float) -> bytes:
    return repr(number).encode()


@given(st.lists(st.lists(numbers, min_size=1, max_size=4), min_size=1, max_size=5 * FEWEST_LOGITS))
@settings(max_examples=100)
def test_logits_of_many_requests_give_the_bits_of_each_alone(vectors: list[list[float]]) -> None:
    check(SOFTMAX, None, [b'{"logits":[%b]}' % b",".join(map(digits, vector)) for vector in vectors])


@pytest.mark.parametrize("count", [FEWEST_LOGITS - 1, FEWEST_LOGITS, 40])
def test_few_and_many_logits_are_alike(count: int) -> None:
    check(SOFTMAX, None, [b'{"logits":[%d.5,-745.25,0.1,1e-3]}' % number for number in range(count)])


OUTPUTS = ["", '"outputs":[{"name":"probabilities"}],', '"outputs":[{"name":"probabilities"},{"name":"logits"}],']


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=20), st.sampled_from(OUTPUTS))
@settings(max_examples=50)
def test_answers_of_infer_are_those_of_each_alone(rows: list[tuple[float, float]], outputs: str) -> None:
    text = b'{%b"inputs":[{"name":"features","shape":[1,2],"datatype":"FP32","data":[%b,%b]}]}'

    check(INFER, blobs(), [text % (outputs.encode(), *map(digits, row)) for row in rows])


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=20), st.sampled_from(OUTPUTS))
@settings(max_examples=50)
def test_answers_of_infer_as_bytes_are_those_of_each_alone(rows: list[tuple[float, float]], outputs: str) -> None:
    text = (
        f'{{{outputs}"parameters":{{"binary_data_output":true}},"inputs":[{{"name":"features","shape":[1,2],'
        '"datatype":"FP32","parameters":{"binary_data_size":8}}]}'
    ).encode()

    check(INFER, blobs(), [text + struct.pack("<2f", *row) for row in rows], [(JSON_LENGTH, b"%d" % len(text))])


def test_numbers_of_classes_that_clients_choose_are_not_remembered() -> None:
    reader, model = readers()[INFER][1], blobs()
    assert isinstance(reader, InferReader)
    text = (
        b'{"inputs":[{"name":"features","shape":[1,2],"datatype":"FP32","data":[1,2]}],"outputs":[{"name":"logits"%b}]}'
    )

    for parameters in (b"", *(b',"parameters":{"classification":%d}' % classes for classes in range(1, 100))):
        [read] = reader.read([text % parameters] * 2, b"", model)
        texts = read.texts(model.run(read.features))
        assert (texts is None) == (parameters != b"")

    assert len(reader._forms[model]) <= 12  # two outputs in any order or one, each as numbers or as bytes


@pytest.mark.parametrize(
    ("path", "headers", "size", "encoding", "kind"),
    [
        (PREDICT, [], LARGE_BODY - 1, b"", b""),
        (PREDICT, [], LARGE_BODY, b"", None),
        (SOFTMAX, [], 9, b"identity", None),
        (SOFTMAX, [(JSON_LENGTH, b"3")], 9, b"", b""),
        (INFER, [], 9, b"", b""),
        (INFER, [], 9, b"gzip", None),
        (INFER, [(JSON_LENGTH, b"3")], 9, b"", b"3"),
        (INFER, [(JSON_LENGTH, b"3"), (JSON_LENGTH, b"0")], 9, b"", b"0"),
        (INFER, [(JSON_LENGTH, b"")], 9, b"", None),
        (INFER, [(JSON_LENGTH, b"3")], 9, b"gzip", None),
        (INFER, [(JSON_LENGTH, b"3")], LARGE_BODY, b"", None),
    ],
)
def test_bodies_of_one_kind_share_a_pass(
    path: str, headers: Headers, size: int, encoding: bytes, kind: bytes | None
) -> None:
    _, reader = readers()[path]

    assert reader.kind(plain_head(path, headers, size, encoding)) == kind


def test_only_some_operations_have_a_reader() -> None:
    assert set(readers()) == {
        *(PREDICT, "/models/{name}/predict", "/models/{name}/versions/{version}/predict", SOFTMAX),
        *(INFER, "/v2/models/{name}/versions/{version}/infer"),
    }


def test_an_answer_that_may_be_compressed_is_not_short() -> None:
    assert MIN_DEFLATED >= SHORT
