"""The ASGI lane: operations as FastAPI routes. It is the reference, and runs on any ASGI server."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from io import BytesIO

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

from softmaxd.errors import TooLarge
from softmaxd.http.access_log import facts
from softmaxd.http.budget import Share
from softmaxd.http.guard import check_found
from softmaxd.http.lifecycle import model_of
from softmaxd.http.openapi import route_arguments
from softmaxd.http.operation import Operation, Reply, reply_to_error
from softmaxd.http.stages import timed
from softmaxd.metrics.metrics import Metrics
from softmaxd.models.model import Model
from softmaxd.models.outputs import NOT_ASKED, Features, Outputs

MAX_DIGITS = 20  # of a number of bytes

Endpoint = Callable[[Request], Awaitable[Response]]


def add_operations(app: FastAPI, operations: Iterable[Operation], metrics: Metrics, *, max_body_bytes: int) -> None:
    """Add a route for each operation."""
    for operation in operations:
        answer = endpoint(operation, metrics, max_body_bytes=max_body_bytes)
        app.add_api_route(operation.path, answer, **route_arguments(operation.path, operation.docs))


def endpoint(operation: Operation, metrics: Metrics, *, max_body_bytes: int) -> Endpoint:
    """Return the operation as the endpoint of a FastAPI route."""

    async def answer(request: Request) -> Response:
        try:
            reply = await _run(timed(operation, request.scope), request, max_body_bytes)
        except ClientDisconnect:
            raise
        except Exception as error:  # every error must reach the client
            reply = reply_to_error(
                operation, error, metrics, model_of(request.scope), getattr(request.state, "ids", ())
            )
            request.state.reason = reply.reason
        return to_response(reply)

    return answer


async def _run(operation: Operation, request: Request, max_body_bytes: int) -> Reply:
    path, ids = request.path_params, getattr(request.state, "ids", ())
    model = operation.find(path.get("name"), path.get("version"), ids[0][1] if ids else b"")
    request.state.model = model
    if model is not None:
        check_found(request, model)
    headers = request.headers.raw
    operation.check(headers)
    job = operation.decode(await read_body(request, max_body_bytes), headers, model)
    request.state.facts = facts(model, job)
    if model is None or job.features is None:
        return operation.encode(NOT_ASKED, job)
    share = share_of(request)
    if share is not None:
        share.take(model.manifest.held_bytes(job.features))
    outputs = await _predict(model, job.features, request)
    return operation.encode(outputs, job)


def share_of(request: Request) -> Share | None:
    """Return the share of the connection of a request; those of other servers have none."""
    share: Share | None = getattr(request.state, "share", None)
    return share


async def _predict(model: Model, features: Features, request: Request) -> Outputs:
    """Return the outputs of the model. If the client leaves, its rows leave the batch: raises `ClientDisconnect`."""
    outputs = asyncio.ensure_future(model.batcher.predict(features))
    left = asyncio.ensure_future(request.receive())  # the body is read: only a disconnect may come
    try:
        await asyncio.wait((outputs, left), return_when=asyncio.FIRST_COMPLETED)
        if not outputs.done():
            raise ClientDisconnect
        return outputs.result()
    finally:
        outputs.cancel()
        left.cancel()


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Return the whole body. Raises `TooLarge` beyond `max_bytes`, also if the length is not declared."""
    too_large = TooLarge(f"The body is larger than {max_bytes} bytes")
    if declared_bytes(request.headers.get("content-length", "0")) > max_bytes:
        raise too_large
    body = BytesIO()
    async for chunk in request.stream():
        body.write(chunk)
        if body.tell() > max_bytes:
            raise too_large
    return body.getvalue()


def declared_bytes(content_length: str) -> int:
    """Return the bytes that a `Content-Length` announces; 0 if it is not a number.

    Python refuses to read a number of more than 4,300 digits, leading zeros included: the first digits are enough.
    """
    content_length = content_length.strip()
    is_number = content_length.isascii() and content_length.isdecimal()
    return int(content_length.lstrip("0")[:MAX_DIGITS] or "0") if is_number else 0


def to_response(reply: Reply) -> Response:
    """Return a reply as a response of Starlette."""
    response = Response(reply.body, reply.status)
    response.raw_headers = reply.fields
    return response
