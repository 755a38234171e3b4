from dataclasses import replace

import pytest

from softmaxd.errors import QueueFull
from softmaxd.http.operation import MAX_KNOWN_TARGETS, Job, Operation, Reply, Targets, reply_to_error
from softmaxd.metrics.metrics import Metrics

PREDICT = Operation(
    path="/predict",
    find=lambda _name, _version: None,
    check=lambda _headers: None,
    decode=lambda _body, _headers, _model: Job(None),
    encode=lambda _outputs, _job: Reply(b"{}"),
    refuse=lambda error: Reply(b"{}", error.status),
)
VERSION = replace(PREDICT, path="/models/{name}/versions/{version}/predict")
COLON = replace(PREDICT, path="/v1/models/{name}:predict")
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


def test_what_is_remembered_has_a_limit() -> None:
    targets = Targets([VERSION])

    for number in range(MAX_KNOWN_TARGETS + 10):
        assert targets.find(b"/models/m/versions/%d/predict" % number) == (VERSION, "m", str(number))

    assert len(targets._known) == MAX_KNOWN_TARGETS


def test_a_reply_says_its_length_and_type_before_its_own_headers() -> None:
    reply = Reply(b"abc", 429, headers=((b"retry-after", b"1"),))

    assert reply.fields == [(b"content-length", b"3"), (b"content-type", b"application/json"), (b"retry-after", b"1")]


@pytest.mark.parametrize(
    ("error", "status", "reason", "logged"),
    [(QueueFull("full"), 429, "queue_full", 0), (ZeroDivisionError("a secret"), 500, "internal_error", 1)],
)
def test_an_error_is_counted_and_only_a_bug_is_logged(
    error: Exception, status: int, reason: str, logged: int, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics()

    assert reply_to_error(PREDICT, error, metrics).status == status
    assert b'softmaxd_rejections_total{reason="%s"} 1.0' % reason.encode() in metrics.render()
    assert [record.getMessage() for record in caplog.records] == ["/predict failed"] * logged
