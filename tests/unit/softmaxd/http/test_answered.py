"""The record of an answered request; tests/faults/test_access_log.py has the lines of a real server."""

import logging
from pathlib import Path

import pytest

from softmaxd.app import create_app
from softmaxd.errors import NotHttp
from softmaxd.http.answered import LEFT, record, record_refusal
from softmaxd.http.budget import Share
from softmaxd.http.express import Call, ExpressLane
from softmaxd.http.heads import PlainHeads
from softmaxd.http.ids import Ids, new_ids
from softmaxd.http.operation import Reply
from softmaxd.settings import Settings
from tests.support.onnx_models import linear, publish

IDS: Ids = ((b"x-request-id", b"7"),)
CLIENT = ("10.0.0.1", 4711)


@pytest.fixture
def lane(tmp_path: Path) -> ExpressLane:
    publish(tmp_path, 1, linear().SerializeToString())
    settings = Settings(models_dir=tmp_path, access_log="all")
    state = create_app(settings).state
    heads = PlainHeads(state.operations, settings, state.access)
    return ExpressLane(heads, state.refuse, state.lifecycle, state.metrics, settings)


def call(lane: ExpressLane) -> Call:
    plain = lane.heads.find(b"/predict", [(b"content-length", b"2"), (b"x-request-id", b"7")])
    assert plain is not None
    operation, name, version = plain.target
    found = Call(None, lane, Share(lane.budget))
    found.begin(operation.find(name, version), plain, plain.ids or new_ids())
    return found


@pytest.mark.parametrize(("reply", "status"), [(Reply(b"{}"), 200), (LEFT, 499)])
def test_a_line_has_the_facts_of_its_request(
    lane: ExpressLane, reply: Reply, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "softmaxd.http.access_log")
    record(call(lane), reply, 0.25, CLIENT)

    assert caplog.messages[-1] == f"POST /predict: {status}"
    fields = vars(caplog.records[-1])
    assert (fields["request_id"], fields["client"], fields["version"]) == ("7", "10.0.0.1", "1")
    assert fields["seconds"] == 0.25


def test_a_refusal_has_no_time(lane: ExpressLane, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "softmaxd.http.access_log")
    record_refusal(lane, NotHttp("no"), IDS, ("", ""), None)

    assert b'softmaxd_rejections_total{reason="not_http",model="",version=""} 1' in lane.metrics.render()
    fields = vars(caplog.records[-1])
    assert (fields["status"], fields["reason"], "seconds" in fields) == (400, "not_http", False)


def test_without_a_path_there_was_no_method(lane: ExpressLane, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "softmaxd.http.access_log")
    for request in (("DELETE", ""), ("DELETE", "/x")):
        record_refusal(lane, NotHttp("no"), IDS, request, None)

    assert caplog.messages == ["no request: 400", "DELETE /x: 400"]
    assert ["method" in vars(line) for line in caplog.records] == [False, True]
