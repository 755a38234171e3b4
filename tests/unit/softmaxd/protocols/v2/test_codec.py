import json
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from softmaxd.errors import InvalidBody, ServiceError, TooLarge
from softmaxd.models.features import DTYPES, Datatype
from softmaxd.models.inputs import LARGE_BODY, read_json
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Array, Batch, Outputs
from softmaxd.protocols.v2 import codec
from softmaxd.protocols.v2.codec import InferJob, decode_infer, encode_infer
from softmaxd.protocols.v2.schemas import V2InferRequest
from softmaxd.protocols.v2.wanted import ALL_AS_BYTES
from tests.support.manifests import manifest

MANIFEST = manifest(name="zoo", version=7, labels=("dog", "cat", "ä☃"))
LENGTH = b"inference-header-content-length"

float32s = st.floats(width=32, allow_nan=False, allow_infinity=False)
rows_of_two = st.lists(st.lists(float32s, min_size=2, max_size=2), min_size=1, max_size=20)


def request(rows: int, **changes: object) -> dict[str, Any]:
    return {"inputs": [{"name": "features", "shape": [rows, 2], "datatype": "FP32", **changes}]}


def typed(datatype: Datatype) -> Manifest:
    """Return the manifest with another type of features."""
    return Manifest.model_validate({**MANIFEST.model_dump(), "datatype": datatype})


def decode(body: bytes, length: int | None = None, *, max_rows: int = 100, manifest: Manifest = MANIFEST) -> InferJob:
    headers = [] if length is None else [(LENGTH, b"%d" % length)]
    return decode_infer(body, headers, manifest, max_rows=max_rows, max_bytes=1000)


def decode_bytes(features: Array) -> InferJob:
    text = json.dumps(request(len(features), parameters={"binary_data_size": features.nbytes})).encode()
    return decode(text + features.tobytes(), len(text))


def encode(probabilities: list[list[float]], **wanted: object) -> tuple[dict[str, Any], bytes]:
    """Return the JSON and the bytes of an answer with these probabilities."""
    body = request(len(probabilities), data=[[0, 0]] * len(probabilities))
    job = decode(json.dumps({**body, "outputs": [{"name": "probabilities", "parameters": wanted}]}).encode())
    outputs = Outputs(Batch({"probabilities": np.array(probabilities, np.float32)}), 0, len(probabilities))
    reply = encode_infer(outputs, job)
    length = int(dict(reply.headers).get(LENGTH, len(reply.body)))
    return json.loads(reply.body[:length]), reply.body[length:]


@given(rows_of_two)
def test_every_form_gives_the_same_bits(rows: list[list[float]]) -> None:
    expected = np.array(rows, dtype=np.float32)

    flat = decode(json.dumps(request(len(rows), data=[number for row in rows for number in row])).encode())
    nested = decode(json.dumps(request(len(rows), data=rows)).encode())
    raw = decode(expected.tobytes(), 0)

    for job in (flat, nested, decode_bytes(expected), raw):
        assert job.features.shape == expected.shape
        assert job.features.tobytes() == expected.tobytes()


@pytest.mark.parametrize("datatype", ["UINT8", "FP32"])
def test_pictures_as_bytes_are_copied_once_whatever_their_type(datatype: Datatype) -> None:
    shape = (16, 3, 64, 64)
    pictures = np.ones(shape, DTYPES[datatype])
    features = [{"name": "image", "shape": shape[1:]}]
    of_pictures = Manifest.model_validate({**MANIFEST.model_dump(), "datatype": datatype, "features": features})
    changes = {"shape": shape, "datatype": datatype, "parameters": {"binary_data_size": pictures.nbytes}}
    text = json.dumps(request(16, **changes)).encode()
    body = text + pictures.tobytes()

    tracemalloc.start()
    job = decode(body, len(text), manifest=of_pictures)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert job.features.tobytes() == pictures.tobytes()
    assert peak < pictures.nbytes + 32_768  # the bytes after the JSON, and some small objects


@given(st.floats())
def test_a_number_is_cast_as_numpy_casts_it_or_refused(number: float) -> None:
    with np.errstate(over="ignore"):
        expected = np.array([[number, 0]], dtype=np.float64).astype(np.float32)
    body = json.dumps(request(1, data=[number, 0])).encode()

    if np.isfinite(expected).all():
        assert decode(body).features.tobytes() == expected.tobytes()
    else:
        with pytest.raises(InvalidBody):
            decode(body)


def outcome(body: bytes, manifest: Manifest) -> tuple[object, ...]:
    """Return the features of a body as bytes, or its error."""
    try:
        job = decode(body, manifest=manifest)
    except ServiceError as error:
        return type(error), error.detail
    assert job.features.flags.c_contiguous
    return job.features.dtype, job.features.shape, job.features.tobytes()


WHOLE = st.integers(-200, 300) | st.sampled_from([2**63, 2**53, 2**31, 2**64])
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | WHOLE | st.sampled_from([1e39, 0.5, -0.0])


@given(
    st.lists(st.lists(WHOLE, min_size=2, max_size=2) | st.lists(NUMBERS, min_size=1, max_size=3), max_size=4),
    st.booleans(),
    st.integers(0, 4),
    st.sampled_from(["FP32", "FP64", "UINT8", "INT64"]),
)
def test_a_large_body_is_read_as_a_small_one(
    rows: list[list[float]], is_flat: bool, count: int, datatype: Datatype
) -> None:
    numbers = [number for row in rows for number in row] if is_flat else rows
    body = json.dumps({**request(count, data=numbers, datatype=datatype), "id": "1"}).encode()

    assert outcome(body.ljust(LARGE_BODY), typed(datatype)) == outcome(body, typed(datatype))


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": {"data": [[1, 2]]}},
        {"parameters": {"data": [[1, 2]]}, "data": [[1, 2]]},
        {"other": {"data": [1]}},
    ],
)
def test_only_the_numbers_of_the_input_are_its_data(changes: dict[str, object]) -> None:
    body = json.dumps(request(1, **changes)).encode()

    assert outcome(body.ljust(LARGE_BODY), MANIFEST) == outcome(body, MANIFEST)


def test_numbers_of_a_large_body_skip_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps(request(2, data=[1, 2, 3, 4])).encode()
    read: list[bytes] = []

    def read_and_keep(schema: TypeAdapter[V2InferRequest], text: bytes) -> V2InferRequest:
        read.append(text)
        return read_json(schema, text)

    monkeypatch.setattr(codec, "read_json", read_and_keep)

    assert decode(body.ljust(LARGE_BODY)).features.tolist() == [[1, 2], [3, 4]]
    assert [text.count(b"1, 2") for text in read] == [0]


def decode_typed(datatype: Datatype, body: object, tensor: bytes = b"") -> InferJob:
    """Decode a body of JSON with the bytes of its tensor, for a model of this type."""
    text = b"" if body is None else json.dumps(body).encode()
    return decode(text + tensor, len(text) if tensor else None, manifest=typed(datatype))


@pytest.mark.parametrize("datatype", DTYPES)
def test_every_form_gives_the_same_bits_in_the_models_own_type(datatype: Datatype) -> None:
    dtype = DTYPES[datatype]
    most = 0.1 if dtype.kind == "f" else min(int(np.iinfo(dtype).max), 2**53 - 1)
    expected = np.array([[most, 1], [0, 3]], dtype)
    own = {"datatype": datatype}
    binary = request(2, parameters={"binary_data_size": expected.nbytes}, **own)

    for job in (
        decode_typed(datatype, request(2, data=expected.ravel().tolist(), **own)),
        decode_typed(datatype, request(2, data=expected.tolist(), **own)),
        decode_typed(datatype, binary, expected.tobytes()),
        decode_typed(datatype, None, expected.tobytes()),
    ):
        assert (job.features.dtype, job.features.shape) == (dtype, (2, 2))
        assert job.features.tobytes() == expected.tobytes()


@pytest.mark.parametrize("datatype", ["INT64", "UINT64"])
def test_bytes_keep_all_64_bits_of_an_integer(datatype: Datatype) -> None:
    limits = np.iinfo(DTYPES[datatype])
    expected = np.array([[limits.min, limits.max], [2**53 + 1, 2**62 - 1]], DTYPES[datatype])
    body = request(2, datatype=datatype, parameters={"binary_data_size": 32})

    assert decode_typed(datatype, body, expected.tobytes()).features.tolist() == expected.tolist()
    assert decode_typed(datatype, None, expected.tobytes()).features.tolist() == expected.tolist()


@given(st.lists(st.floats(), min_size=2, max_size=2))
def test_float64_is_taken_as_it_is_unless_it_is_not_finite(row: list[float]) -> None:
    expected = np.array([row], np.float64)
    body = request(1, datatype="FP64", parameters={"binary_data_size": 16})

    if np.isfinite(expected).all():
        assert decode_typed("FP64", request(1, datatype="FP64", data=row)).features.tobytes() == expected.tobytes()
        assert decode_typed("FP64", body, expected.tobytes()).features.tobytes() == expected.tobytes()
    else:
        with pytest.raises(InvalidBody, match=r"^features should be finite numbers$"):
            decode_typed("FP64", body, expected.tobytes())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1, 1.5, 1, 1], "inputs[0].data[1]: Input should be a whole number from 0 to 255, as the model takes UINT8"),
        ([[1, 1], [256, 1]], "inputs[0].data[2]: Input should be a whole number from 0 to 255, as the model takes"),
    ],
)
def test_a_number_that_the_models_type_does_not_have_is_refused_with_its_place(data: object, message: str) -> None:
    with pytest.raises(InvalidBody) as refused:
        decode_typed("UINT8", request(2, datatype="UINT8", data=data))

    assert refused.value.detail.startswith(message)


def test_an_integer_that_json_may_have_rounded_is_refused() -> None:
    with pytest.raises(
        InvalidBody, match=r"^inputs\[0\].data\[0\]: Input should be less than 2\*\*53 in size, .* INT64 as"
    ):
        decode_typed("INT64", request(1, datatype="INT64", data=[2**53, 0]))


@pytest.mark.parametrize(("came", "named"), [("FP32", "FP32"), ("BOOL", "BOOL"), ("\x00" * 99, "something else")])
def test_another_type_than_the_models_is_refused_and_both_are_named(came: str, named: str) -> None:
    with pytest.raises(InvalidBody) as refused:
        decode_typed("INT64", request(1, datatype=came, data=[1, 2]))

    assert refused.value.detail == f"The datatype of features should be INT64, as the model takes it, not {named}"


def test_the_same_json_is_another_request_to_a_model_of_another_type() -> None:
    body = request(1, parameters={"binary_data_size": 8})
    decode_typed("FP32", body, bytes(8))

    with pytest.raises(InvalidBody, match="should be INT32"):
        decode_typed("INT32", body, bytes(8))


def test_bytes_of_another_size_than_the_models_type_are_refused() -> None:
    with pytest.raises(InvalidBody, match="should be 32, as its shape says, not 16"):
        decode_typed("INT64", request(2, datatype="INT64", parameters={"binary_data_size": 16}), bytes(16))
    with pytest.raises(InvalidBody, match="rows of 2 little-endian INT64 numbers"):
        decode_typed("INT64", None, bytes(8))


def test_the_same_json_before_other_bytes_is_another_request() -> None:
    first, second = np.array([[1, 2]], np.float32), np.array([[3, 4]], np.float32)

    assert decode_bytes(first).features.tolist() == [[1, 2]]
    assert decode_bytes(second).features.tolist() == [[3, 4]]


def test_the_same_json_is_refused_again_and_by_another_limit() -> None:
    text = json.dumps(request(2, parameters={"binary_data_size": 16})).encode()
    decode(text + bytes(16), len(text))

    for _ in range(2):
        with pytest.raises(TooLarge):
            decode(text + bytes(16), len(text), max_rows=1)
    with pytest.raises(InvalidBody, match="16 bytes should follow"):
        decode(text, len(text))


def test_json_that_is_too_long_to_be_remembered_is_read_as_well() -> None:
    text = json.dumps({"id": "x" * 2000, **request(1, parameters={"binary_data_size": 8})}).encode()

    assert decode(text + bytes(8), len(text)).id == "x" * 2000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
fields = {
    "name": st.just("features") | json_values,
    "shape": st.just([1, 2]) | st.lists(st.integers(-1, 3)) | json_values,
    "datatype": st.sampled_from(["FP32", "FP64", "INT16"]) | json_values,
    "data": st.just([1, 2]) | st.lists(st.floats() | st.lists(st.floats())) | json_values,
    "parameters": st.fixed_dictionaries({"binary_data_size": st.just(8) | json_values}) | json_values,
}
outputs = st.fixed_dictionaries(
    {"name": st.sampled_from(["logits", "probabilities", "x"]) | json_values},
    optional={"parameters": st.dictionaries(st.sampled_from(["binary_data", "classification"]), json_values)},
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "id": json_values,
        "inputs": st.lists(st.fixed_dictionaries({}, optional=fields) | json_values, max_size=2) | json_values,
        "outputs": st.lists(outputs, max_size=3) | json_values,
        "parameters": st.fixed_dictionaries({"binary_data_output": json_values}) | json_values,
    },
)


@given(
    requests | json_values,
    st.binary(max_size=40) | st.just(struct.pack("<2f", 1, 2)),
    st.sampled_from([None, 0, 1, -1]),
    st.sampled_from(["FP32", "FP64", "INT16"]),
)
def test_any_request_is_read_or_refused(body: object, tensor: bytes, off: int | None, datatype: Datatype) -> None:
    text = json.dumps(body).encode("utf-8", "surrogatepass")

    try:
        job = decode(text + tensor, None if off is None else max(len(text) + off, 0), manifest=typed(datatype))
    except ServiceError:
        return

    assert job.features.dtype == DTYPES[datatype]
    assert job.features.shape[1] == 2
    assert np.isfinite(job.features).all()


def test_classes_of_equal_value_come_in_the_order_of_the_model() -> None:
    answer, _ = encode([[0.25, 0.5, 0.5], [0.0, -0.0, 0.0]], classification=3)

    assert answer["model_name"] == "zoo"
    assert answer["model_version"] == "7"
    assert answer["outputs"] == [
        {
            "name": "probabilities",
            "datatype": "BYTES",
            "shape": [2, 3],
            "data": [
                *("0.500000:1:cat", "0.500000:2:ä☃", "0.250000:0:dog"),
                *("0.000000:0:dog", "-0.000000:1:cat", "0.000000:2:ä☃"),
            ],
        }
    ]


def test_many_classes_of_equal_value_do_as_well() -> None:
    labels = tuple(f"class {index}" for index in range(100))
    manifest = MANIFEST.model_copy(update={"labels": labels})
    body = {**request(1, data=[0, 0]), "outputs": [{"name": "logits", "parameters": {"classification": 100}}]}
    job = decode_infer(json.dumps(body).encode(), [], manifest, max_rows=1, max_bytes=1000)

    reply = encode_infer(Outputs(Batch({"logits": np.array([[0, 1] * 50], np.float32)}), 0, 1), job)

    named = json.loads(reply.body)["outputs"][0]["data"]
    assert [name.split(":")[1] for name in named] == [str(index) for index in [*range(1, 100, 2), *range(0, 100, 2)]]


def test_the_length_of_a_class_is_in_bytes() -> None:
    answer, tensor = encode([[0.0, 0.0, 1.0]], classification=1, binary_data=True)

    text = "1.000000:2:ä☃".encode()
    assert tensor == struct.pack("<I", len(text)) + text
    assert answer["outputs"][0]["parameters"] == {"binary_data_size": len(tensor)}


@pytest.mark.parametrize("rows", [[[0.1, 1e-45, 3.4e38]], [[0.1, 0.2, 0.7]] * 100])
def test_bytes_and_numbers_of_an_answer_are_the_same(rows: list[list[float]]) -> None:
    in_json, nothing = encode(rows)
    in_bytes, tensor = encode(rows, binary_data=True)

    assert nothing == b""
    assert tensor == np.array(rows, np.float32).tobytes()
    assert np.array(in_json["outputs"][0]["data"], np.float32).tobytes() == tensor
    assert in_json["outputs"][0]["shape"] == in_bytes["outputs"][0]["shape"] == [len(rows), 3]


@pytest.mark.parametrize(("rows", "is_compressed"), [(1, False), (170_000, True), (180_000, False)])
def test_very_small_and_very_large_answers_are_not_compressed(rows: int, is_compressed: bool) -> None:
    values = np.zeros((rows, 3), np.float32)
    job = InferJob(np.zeros((rows, 2), np.float32), MANIFEST, None, ALL_AS_BYTES, b"gzip")

    reply = encode_infer(Outputs(Batch({"logits": values, "probabilities": values}), 0, rows), job)

    assert ((b"content-encoding", b"gzip") in reply.headers) is is_compressed
    assert (len(reply.body) < 100_000) is (is_compressed or rows == 1)


@pytest.mark.parametrize("size", [LARGE_BODY, 2 * 2**20])
def test_another_number_of_numbers_than_the_shape_says_is_refused(size: int) -> None:
    numbers = b",".join([b"1"] * (size // 2))
    body = b'{"inputs":[{"name":"features","shape":[3,2],"datatype":"FP32","data":[%s]}]}' % numbers

    with pytest.raises(InvalidBody, match=f"should be 6 numbers, as its shape says, not {size // 2}"):
        decode(body)
