import orjson
import pytest

from softmaxd.errors import InvalidBody, TooLarge
from softmaxd.models.large_json import PIECE, read_numbers


def read(body: bytes) -> dict[str, object]:
    """Read a body without its array; a field of the wrong name is refused."""
    request: dict[str, object] = orjson.loads(body)
    if request.keys() - {"rows", "ignored"}:
        raise InvalidBody
    return request


def any_shape(rows: int, columns: int, request: dict[str, object]) -> None:
    """Accept arrays of any shape."""


def test_the_array_is_read_and_the_rest_is_left_to_the_schema() -> None:
    found = read_numbers(read, "rows", b'{"rows": [[1, 2.5], [-3e2, 4]], "ignored": {"a": 1}}', any_shape)

    assert found is not None
    matrix, request = found
    assert matrix.tolist() == [[1.0, 2.5], [-300.0, 4.0]]
    assert request == {"rows": [], "ignored": {"a": 1}}


def test_a_vector_has_one_dimension() -> None:
    found = read_numbers(read, "rows", b'{"rows": [1, 2.5 , -3e2]}', any_shape)

    assert found is not None
    assert found[0].tolist() == [1.0, 2.5, -300.0]


@pytest.mark.parametrize(
    "rows",
    [[[float(row), row + 0.5] for row in range(PIECE // 4)], [number + 0.5 for number in range(PIECE // 2)]],
    ids=["rows", "one vector"],
)
def test_an_array_of_many_pieces_keeps_its_order(rows: list[float] | list[list[float]]) -> None:
    body = orjson.dumps({"rows": rows})

    found = read_numbers(read, "rows", body, any_shape)

    assert len(body) > 2 * PIECE
    assert found is not None
    assert found[0].tolist() == rows


@pytest.mark.parametrize(
    ("array", "shape"), [(b"[[1, 2, 3], [4, 5, 6]]", (2, 3)), (b"[1, 2, 3]", (1, 3)), (b"[1]", (1, 1))]
)
def test_a_shape_is_refused_before_its_numbers_are_read(array: bytes, shape: tuple[int, int]) -> None:
    def refuse(rows: int, columns: int, request: dict[str, object]) -> None:
        assert request == {"rows": [], "ignored": 1}
        raise TooLarge(f"{rows} {columns}")

    with pytest.raises(TooLarge) as refused:
        read_numbers(read, "rows", b'{"ignored": 1, "rows": %s}' % array.replace(b"1", b"1e999"), refuse)

    assert refused.value.detail == f"{shape[0]} {shape[1]}"


@pytest.mark.parametrize(
    "body",
    [
        b'{"rows": [[1, 2], [3]]}',
        b'{"rows": [1, 1e999]}',
        b'{"rows": [1, [2]]}',
        b'{"rows": [1, 2,]}',
        b'{"rows": [1 2]}',
        b'{"rows": []}',
        b'{"rows": [[]]}',
        b'{"rows": [[1, "2"]]}',
        b'{"rows": [[1, 2]], "rows": [[3, 4]]}',
        b'{"r\\u006fws": [[1, 2]]}',
        b'{"ignored": {"rows": [[1, 2]]}}',
        b'{"rows": [[1, 2]], "other": 1}',
        b'{"rows": [[1, 1e999]]}',
        b'{"rows": [[1, 18446744073709551616]]}',
        b'{"rows": [[1 2]]}',
        b'{"rows": [[1, 2]]',
        b'{"rows": 1}',
        b"",
    ],
)
def test_without_a_proof_the_schema_has_to_read_the_body(body: bytes) -> None:
    try:
        found = read_numbers(read, "rows", body, any_shape)
    except orjson.JSONDecodeError:  # the rest is not JSON, which `read` of a schema says as InvalidBody
        found = None

    assert found is None
