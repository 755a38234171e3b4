import logging
from typing import Any

import numpy as np
import pytest
from pythonjsonlogger.core import RESERVED_ATTRS

from softmaxd.http.access_log import MOST_CHARACTERS, AccessLog, facts
from softmaxd.http.operation import Job
from softmaxd.logs import LINES_A_SECOND
from softmaxd.settings import Settings

IDS = ((b"x-request-id", b"7"),)
TRACED = (*IDS, (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))


def log(**settings: Any) -> AccessLog:
    return AccessLog(Settings(**settings))


def fields(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields that a line has besides those of every line."""
    return {name: value for name, value in vars(record).items() if name not in RESERVED_ATTRS}


@pytest.fixture(autouse=True)
def _every_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, [False, False, False, True, True, True]),
        ({"access_log": "all"}, [True] * 6),
        ({"access_log": "1"}, [True] * 6),
        ({"access_log": "0"}, [False, False, False, True, True, True]),
        ({"slow_request_seconds": 0.2}, [False, False, True, True, True, True]),
        ({"slow_request_seconds": "inf"}, [False, False, False, False, True, True]),
    ],
)
def test_errors_of_the_service_and_slow_requests_get_a_line(settings: dict[str, Any], wanted: list[bool]) -> None:
    requests = [(200, 0.1), (499, 0.1), (404, 0.3), (200, 1.1), (500, 0.0), (504, 0.0)]

    assert [log(**settings).wants(*request) for request in requests] == wanted


@pytest.mark.parametrize(
    ("settings", "quiet_seconds"),
    [({}, 1.0), ({"slow_request_seconds": 0.2}, 0.2), ({"access_log": "0.01"}, -1.0), ({"access_log": "all"}, -1.0)],
)
def test_it_is_known_before_which_answers_get_no_line(settings: dict[str, Any], quiet_seconds: float) -> None:
    assert log(**settings).quiet_seconds == quiet_seconds


def test_a_share_of_the_requests_gets_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([0.0, 0.009, 0.01, 0.999])
    monkeypatch.setattr("softmaxd.http.access_log.random", lambda: next(drawn))
    sampling = log(access_log="0.01")

    assert [sampling.wants(200, 0) for _ in range(4)] == [True, True, False, False]


def test_a_line_has_the_fields_that_are_known(caplog: pytest.LogCaptureFixture) -> None:
    log().write(TRACED, "GET", "/x", 404, seconds=0.123456789, reason="", rows=None, lane="asgi", client="::1")

    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("INFO", "GET /x: 404")
    assert fields(record) == {
        **{"request_id": "7", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7"},
        **{"method": "GET", "path": "/x", "status": 404, "seconds": 0.123457, "lane": "asgi", "client": "::1"},
    }


def test_texts_of_the_client_are_cut(caplog: pytest.LogCaptureFixture) -> None:
    log().write(IDS, "GET", "/" * 500, 404, infer_id="i" * MOST_CHARACTERS)

    found = fields(caplog.records[0])
    assert found["path"] == "/" * MOST_CHARACTERS + "…"
    assert found["infer_id"] == "i" * MOST_CHARACTERS
    assert len(caplog.messages[0]) < MOST_CHARACTERS + 20


@pytest.mark.parametrize(
    ("share", "status", "seconds", "lines"),
    [
        ("errors", 500, 0, LINES_A_SECOND),
        ("0.5", 200, 2, LINES_A_SECOND),
        ("0.5", 200, 0, 50),
        ("all", 500, 2, 50),
    ],
)
def test_lines_that_clients_can_cause_at_any_rate_are_limited_unless_all_are_asked_for(
    share: str,
    status: int,
    seconds: float,
    lines: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    access_log = log(access_log=share)

    for _ in range(50):
        access_log.write(IDS, "GET", "/", status, seconds=seconds)
    now = 101.0
    access_log.write(IDS, "GET", "/", status, seconds=seconds)

    left_out = [fields(record).get("left_out") for record in caplog.records]
    assert left_out == [None] * lines + [50 - lines or None]


def test_the_facts_of_a_job_without_a_model_are_empty() -> None:
    assert facts(None, None) == facts(None, Job(None)) == dict.fromkeys(("model", "version", "rows", "infer_id"))
    assert facts(None, Job(np.zeros((3, 2))))["rows"] == 3
