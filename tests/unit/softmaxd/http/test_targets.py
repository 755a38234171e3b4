import pytest

from softmaxd.http.operation import Operation
from softmaxd.http.targets import MAX_KNOWN_TARGETS, Targets
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


def test_targets_are_remembered_up_to_a_limit() -> None:
    targets = Targets([VERSION])

    for number in range(MAX_KNOWN_TARGETS + 10):
        assert targets.find(b"/models/m/versions/%d/predict" % number) == (VERSION, "m", str(number))

    assert len(targets._known) == MAX_KNOWN_TARGETS
