import pytest

from softmaxd.errors import QueueFull
from softmaxd.http.operation import Reply, reply_to_error
from softmaxd.metrics.metrics import Metrics
from tests.support.operations import Echo


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

    reply = reply_to_error(Echo("/predict"), error, metrics, None, ((b"x-request-id", b"7"),))

    assert (reply.status, reply.reason) == (status, reason)
    assert b'softmaxd_rejections_total{reason="%s",model="",version=""} 1\n' % reason.encode() in metrics.render()
    assert [record.getMessage() for record in caplog.records] == ["/predict failed"] * logged
    assert [vars(record)["request_id"] for record in caplog.records] == ["7"] * logged
