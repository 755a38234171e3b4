import numpy as np
import pytest

from softmaxd.errors import InvalidBody, TooLarge
from softmaxd.protocols.v2.tensors import find_place, from_bytes, from_json, one_tensor
from tests.support.manifests import manifest

FP32 = manifest().layout
INT8 = manifest(datatype="INT8").layout
PICTURE = manifest(features=[{"name": "picture", "shape": [2, 1]}]).layout
FLAT: list[float] = [1, 2, 3, 4]
NESTED: list[list[float]] = [[1, 2], [3, 4]]


def test_flat_and_nested_numbers_are_the_same_rows() -> None:
    for layout in (FP32, INT8):
        flat = from_json(FLAT, layout, 2)
        nested = from_json(NESTED, layout, 2)

        assert flat.dtype == layout.dtype
        assert flat.tolist() == nested.tolist() == NESTED


@pytest.mark.parametrize("numbers", [[1.0], [1.0, 2.0, 3.0], [], [[1.0]], [[1.0, 2.0], [3.0, 4.0]]])
def test_numbers_in_another_shape_are_refused(numbers: list[float] | list[list[float]]) -> None:
    with pytest.raises(InvalidBody, match="as its shape says"):
        from_json(numbers, FP32, 1)


def test_no_numbers_for_a_picture_are_refused() -> None:
    with pytest.raises(InvalidBody, match="should be 2 numbers, as its shape says, not 0"):
        from_json([], PICTURE, 1)


def test_a_number_beyond_float32_is_refused() -> None:
    with pytest.raises(InvalidBody, match="finite numbers, also as float32"):
        from_json([1e39, 0.0], FP32, 1)


def test_a_number_that_is_not_whole_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidBody, match=r"inputs\[0\].data\[1\]"):
        from_json([1.0, 1.5], INT8, 1)


def test_bytes_are_rows() -> None:
    expected = np.array(NESTED, np.float32)

    assert from_bytes(expected.tobytes(), FP32, 2).tolist() == expected.tolist()
    assert one_tensor(expected.tobytes(), FP32, max_rows=2).tolist() == expected.tolist()


@pytest.mark.parametrize("body", [b"", bytes(7), bytes(9)])
def test_bytes_that_are_no_rows_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidBody, match="rows of 2 little-endian FP32 numbers, at least one row"):
        one_tensor(body, FP32, max_rows=2)


def test_more_rows_than_the_limit_are_refused() -> None:
    with pytest.raises(TooLarge):
        one_tensor(bytes(16), FP32, max_rows=1)


def test_bytes_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InvalidBody, match="finite"):
        from_bytes(np.array([np.nan, 1], np.float32).tobytes(), FP32, 1)


def test_an_input_has_its_numbers_in_one_place_of_the_right_size() -> None:
    assert find_place({}, [1.0, 2.0], 8) == 0
    assert find_place({"binary_data_size": 8}, None, 8) == 8
    with pytest.raises(InvalidBody, match="either data or binary_data_size"):
        find_place({"binary_data_size": 8}, [1.0, 2.0], 8)
    with pytest.raises(InvalidBody, match="either data or binary_data_size"):
        find_place({}, None, 8)
    with pytest.raises(InvalidBody, match="no shared memory"):
        find_place({"shared_memory_region": "a", "binary_data_size": 8}, None, 8)
    with pytest.raises(InvalidBody, match="should be 8, as its shape says, not 4"):
        find_place({"binary_data_size": 4}, None, 8)


def test_an_array_with_a_number_that_float32_cannot_hold_is_refused() -> None:
    with pytest.raises(InvalidBody, match="finite"):
        from_json(np.array([1e39, 0.0]), FP32, 1)
