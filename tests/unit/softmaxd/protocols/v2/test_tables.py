"""The tensors of a table → features: as JSON and as bytes the same."""

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmaxd.errors import InvalidBody
from softmaxd.models.outputs import Features
from softmaxd.protocols.v2.schemas import V2TableTensor
from softmaxd.protocols.v2.tables import from_inputs, from_only_bytes
from tests.support.manifests import manifest
from tests.support.mutations import fuzz

PEOPLE = manifest(
    features=[
        {"name": "age", "input": "numbers", "nullable": True},
        {"name": "income", "input": "numbers"},
        {"name": "job", "input": "texts", "datatype": "BYTES", "nullable": True, "missing": "none"},
        {"name": "city", "input": "texts", "datatype": "BYTES"},
        {"name": "member", "input": "member", "datatype": "BOOL"},
        {"name": "children", "input": "children", "datatype": "INT16"},
    ]
)
FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
rows = st.tuples(
    FLOAT32 | st.none(),
    FLOAT32,
    st.text(max_size=5),
    st.text(max_size=5),
    st.booleans(),
    st.integers(-(2**15), 2**15 - 1),
)
KINDS = {"numbers": "FP32", "texts": "BYTES", "member": "BOOL", "children": "INT16"}


def arrays(drawn: list[tuple[Any, ...]]) -> dict[str, np.ndarray[Any, Any]]:
    age, income, job, city, member, children = zip(*drawn, strict=True)
    return {
        "numbers": np.array([[np.nan if each is None else each for each in age], income], dtype=np.float32).T,
        "texts": np.array([job, city], dtype=object).T,
        "member": np.array([member]).T,
        "children": np.array([children], dtype=np.int16).T,
    }


def as_bytes(values: np.ndarray[Any, Any]) -> bytes:
    if values.dtype != object:
        return values.tobytes()
    texts = [text.encode() for text in values.ravel()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def read(inputs: list[V2TableTensor], tail: bytes = b"") -> Features:
    return from_inputs(inputs, tail, PEOPLE, max_rows=9)


@fuzz
@given(st.lists(rows, min_size=1, max_size=4), st.permutations(list(KINDS)))
def test_json_and_bytes_give_the_same_features(drawn: list[tuple[Any, ...]], order: list[str]) -> None:
    tensors = arrays(drawn)
    in_json, in_bytes, tail = [], [], b""
    for name in order:
        shape = list(tensors[name].shape)
        data = orjson.loads(orjson.dumps(tensors[name].tolist()))
        in_json.append(V2TableTensor(name=name, datatype=KINDS[name], shape=shape, data=data))
        content = as_bytes(tensors[name])
        place = {"binary_data_size": len(content)}
        in_bytes.append(V2TableTensor(name=name, datatype=KINDS[name], shape=shape, parameters=place))  # type: ignore[typeddict-item]
        tail += content

    for found in (read(in_json), read(in_bytes, tail)):
        for name, expected in tensors.items():
            assert found[name].dtype == expected.dtype
            np.testing.assert_array_equal(found[name], expected)


@fuzz
@given(st.binary(max_size=40), st.integers(0, 3))
def test_any_bytes_are_texts_or_refused(content: bytes, count: int) -> None:
    texts = manifest(features=[{"name": "a", "input": "texts", "datatype": "BYTES"}])
    tensor = V2TableTensor(name="texts", datatype="BYTES", shape=[count], parameters={"binary_data_size": len(content)})
    try:
        found = from_inputs([tensor], content, texts, max_rows=9)
    except InvalidBody:
        return
    assert as_bytes(found["texts"]) == content


def test_a_text_that_is_no_category_is_refused_in_json_and_in_bytes_alike() -> None:
    job = {"datatype": "BYTES", "categories": ["cook", "nurse"], "only_categories": True}
    two = manifest(features=[{"name": name, "input": "texts", **job} for name in ("job", "other")])
    values = np.array([["cook", "nurse"], ["cook", "pilot"]], dtype=object)
    tail = as_bytes(values)
    in_json = V2TableTensor(name="texts", datatype="BYTES", shape=[2, 2], data=values.ravel().tolist())
    in_bytes = V2TableTensor(name="texts", datatype="BYTES", shape=[2, 2], parameters={"binary_data_size": len(tail)})

    for given_tensor, content in ((in_json, b""), (in_bytes, tail)):
        with pytest.raises(InvalidBody) as raised:
            from_inputs([given_tensor], content, two, max_rows=9)
        assert str(raised.value) == (
            "texts.data[3]: Input should be one of the categories cook, nurse (other of row 1)"
        )


def test_a_tensor_without_a_shape_is_refused() -> None:
    with pytest.raises(InvalidBody, match="The shape of numbers should be"):
        read([V2TableTensor(name=name, datatype=kind, shape=[], data=[]) for name, kind in KINDS.items()])


@pytest.mark.parametrize("datatype", ["BYTES", "BOOL"])
def test_only_bytes_are_of_one_tensor_of_numbers(datatype: str) -> None:
    one = manifest(features=[{"name": "a", "datatype": datatype}])

    if datatype == "BYTES":
        with pytest.raises(InvalidBody, match="more than one tensor of numbers"):
            from_only_bytes(b"1234", one, max_rows=9)
    else:
        assert from_only_bytes(b"\0\1", one, max_rows=9)["features"].tolist() == [[False], [True]]
