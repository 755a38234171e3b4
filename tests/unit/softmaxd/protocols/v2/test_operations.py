import json

import pytest

from softmaxd import errors
from softmaxd.errors import InvalidBody, Problem, ServiceError
from softmaxd.protocols.v2 import operations as v2


@pytest.mark.parametrize(
    ("error", "status", "message", "headers"),
    [
        (InvalidBody(Problem(type="x", loc=[], msg="Too long")), 400, "Too long", {}),
        (
            InvalidBody(Problem(type="x", loc=["inputs", 0], msg="A"), Problem(type="x", loc=["id"], msg="B")),
            400,
            "inputs[0]: A; id: B",
            {},
        ),
        (errors.OutputNotFinite(3), 400, "Row 3 has numbers for which the model's output is not finite", {}),
        (errors.ModelNotFound("None"), 404, "None", {}),
        (errors.Unroutable(405, "No", {"Allow": "GET"}), 405, "No", {b"allow": b"GET"}),
        (errors.RequestTimeout("Late"), 408, "Late", {b"connection": b"close"}),
        (errors.TooLarge("Large"), 413, "Large", {b"connection": b"close"}),
        (errors.UnsupportedMediaType("br"), 415, "br", {b"accept-encoding": b"gzip, deflate"}),
        (errors.QueueFull("Full"), 429, "Full", {b"retry-after": b"1"}),
        (errors.HeadersTooLarge("Long"), 431, "Long", {b"connection": b"close"}),
        (errors.InternalError(), 500, "Internal Server Error", {}),
        (errors.NotReady("Bye"), 503, "Bye", {b"retry-after": b"1"}),
        (errors.QueueTimeout("Old"), 504, "Old", {}),
    ],
)
def test_an_error_is_what_the_clients_of_the_protocol_read(
    error: ServiceError, status: int, message: str, headers: dict[bytes, bytes]
) -> None:
    reply = v2.refuse(error)

    assert (reply.status, json.loads(reply.body)) == (status, {"error": message})
    assert reply.media_type == b"application/json"
    assert dict(reply.headers) == headers
