import pytest
from starlette._utils import get_route_path

from softmaxd.http.operation import Operation
from softmaxd.http.targets import MAX_KNOWN_TARGETS, Targets, path_of, route_path
from tests.support.operations import Echo

PREDICT = Echo("/predict")
VERSION = Echo("/models/{name}/versions/{version}/predict")
COLON = Echo("/v1/models/{name}:predict")
TARGETS = Targets([PREDICT, VERSION, COLON])


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (b"/predict", (PREDICT, None, None)),
        (b"/models/a-b.c_1~/versions/12/predict", (VERSION, "a-b.c_1~", "12")),
        (b"/v1/models/blobs:predict", (COLON, "blobs", None)),
    ],
)
def test_a_plain_path_is_found_with_its_names(target: bytes, found: tuple[Operation, str | None, str | None]) -> None:
    assert TARGETS.find(target) == found
    assert TARGETS.find(target) == found  # from memory
    assert path_of(found) == target.decode()


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/predict/",
        b"//predict",
        b"/predict?x=1",
        b"/predict#x",
        b"/%70redict",
        b"/models/a%20b/versions/1/predict",
        b"/models//versions/1/predict",
        b"/models/a/b/versions/1/predict",
        b"/PREDICT",
        b"http://host/predict",
        b"/v1/models/blobs:predict:predict",
        b"/predict\n",
        b"\xff",
    ],
)
def test_anything_else_is_left_to_the_asgi_lane(target: bytes) -> None:
    assert TARGETS.find(target) is None


@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("/ml/predict", "/predict"),
        ("/predict", "/predict"),
        ("/ml/ml/predict", "/ml/predict"),
        ("/mlx/predict", "/mlx/predict"),
        ("/ml/", "/"),
        ("/ml", ""),
        ("", ""),
    ],
)
def test_a_path_is_routed_below_the_prefix(path: str, below: str) -> None:
    assert route_path(path, "/ml") == get_route_path({"path": path, "root_path": "/ml"}) == below
    assert route_path(path.encode(), b"/ml") == below.encode()
    assert route_path(path, "") == path


def test_a_target_is_found_below_the_prefix() -> None:
    targets = Targets([PREDICT], root_path="/ml")

    assert targets.find(b"/ml/predict") == targets.find(b"/predict") == (PREDICT, None, None)
    assert targets.find(b"/ml/ml/predict") is None


def test_targets_are_remembered_up_to_a_limit() -> None:
    targets = Targets([VERSION])

    for number in range(MAX_KNOWN_TARGETS + 10):
        assert targets.find(b"/models/m/versions/%d/predict" % number) == (VERSION, "m", str(number))

    assert len(targets._known) == MAX_KNOWN_TARGETS
