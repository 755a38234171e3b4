import orjson
import pytest

from softmaxd.errors import InvalidBody
from softmaxd.models.large_json import PIECE, read_matrix


def read(body: bytes) -> dict[str, object]:
    """Read a body without its array; a field of the wrong name is refused."""
    request: dict[str, object] = orjson.loads(body)
    if request.keys() - {"rows", "ignored"}:
        raise InvalidBody
    return request


def test_the_array_is_read_and_the_rest_is_left_to_the_schema() -> None:
    found = read_matrix(read, "rows", b'{"rows": [[1, 2.5], [-3e2, 4]], "ignored": {"a": 1}}')

    assert found is not None
    matrix, request = found
    assert matrix.tolist() == [[1.0, 2.5], [-300.0, 4.0]]
    assert request == {"rows": [], "ignored": {"a": 1}}


def test_an_array_of_many_pieces_keeps_its_order() -> None:
    rows = [[float(row), row + 0.5] for row in range(PIECE // 4)]

    found = read_matrix(read, "rows", orjson.dumps({"rows": rows}))

    assert found is not None
    assert found[0].tolist() == rows


@pytest.mark.parametrize(
    "body",
    [
        b'{"rows": [[1, 2], [3]]}',
        b'{"rows": [1, 2]}',
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
        found = read_matrix(read, "rows", body)
    except orjson.JSONDecodeError:  # the rest is not JSON, which `read` of a schema says as InvalidBody
        found = None

    assert found is None
