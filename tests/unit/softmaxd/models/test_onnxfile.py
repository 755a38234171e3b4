import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmaxd.errors import ModelError
from softmaxd.models.onnxfile import MAX_DEPTH, MAX_MODEL_BYTES, check_content, check_size
from tests.support.onnx_models import linear

GOOD = linear().SerializeToString()


def write(folder: Path, content: bytes) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(content)
    return path


def field(number: int, content: bytes) -> bytes:
    """Return a field of a message that holds bytes; up to 2²¹ of them."""
    length = len(content)
    return bytes([number << 3 | 2, length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, length >> 14]) + content


def test_a_model_is_let_through(tmp_path: Path) -> None:
    check_size(write(tmp_path, GOOD))
    check_content(write(tmp_path, GOOD))


def test_a_file_over_the_limit_is_not(tmp_path: Path) -> None:
    path = write(tmp_path, b"")
    with path.open("r+b") as file:
        file.truncate(MAX_MODEL_BYTES + 1)

    with pytest.raises(ModelError, match=r"^model\.onnx has 536870913 bytes, more than the 536870912"):
        check_size(path)


@pytest.mark.parametrize(
    "content",
    [
        GOOD[:-1],
        b"\x3a",  # a field without its length
        b"\x3a\x05abc",  # shorter than it says
        b"\x3b",  # a group, which no message of ONNX has
        b"\x02\x00",  # field 0
        b"\x08" + b"\xff" * 10,  # a number of more than 64 bits
    ],
)
def test_what_is_no_protocol_buffer_is_not(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ModelError, match=r"^model\.onnx is not an ONNX file, or not all of it$"):
        check_content(write(tmp_path, content))


def test_fixed_size_fields_are_passed_over(tmp_path: Path) -> None:
    check_content(write(tmp_path, b"\x09" + bytes(8) + b"\x0d" + bytes(4) + b"\x08\x01"))


def test_graphs_in_graphs_have_a_limit(tmp_path: Path) -> None:
    graph = b""
    for _ in range(MAX_DEPTH):
        graph = field(1, field(5, field(6, graph)))  # a node with an attribute with a graph

    with pytest.raises(ModelError, match="not an ONNX file"):
        check_content(write(tmp_path, field(7, graph)))


@pytest.mark.parametrize("external", [bytes([14 << 3, 1]), field(13, b"")])
def test_a_tensor_in_another_file_is_found_wherever_it_is(tmp_path: Path, external: bytes) -> None:
    in_a_sparse_tensor = field(15, field(1, external))

    with pytest.raises(ModelError, match="external data"):
        check_content(write(tmp_path, field(7, in_a_sparse_tensor)))


def test_a_custom_operator_is_found_in_a_function(tmp_path: Path) -> None:
    function = b"\xca\x01" + field(0, field(7, field(7, b"evil\xff")))[1:]  # field 25 of the model

    with pytest.raises(ModelError, match="operators of the domain 'evil\ufffd'"):
        check_content(write(tmp_path, function))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for all examples; each writes its file again."""
    return tmp_path_factory.mktemp("onnxfile")


@settings(max_examples=500)
@given(st.data())
def test_any_change_to_a_file_is_let_through_or_named(folder: Path, data: st.DataObject) -> None:
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))

    path = write(folder, bytes(content))
    with contextlib.suppress(ModelError):  # and no other exception
        check_content(path)
