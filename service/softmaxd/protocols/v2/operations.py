"""The operations of `/v2`: infer by model and version, and the index of the model repository."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, assert_never

import numpy as np
import orjson
from pydantic import TypeAdapter

from softmaxd.access import Access, Key
from softmaxd.errors import ServiceError
from softmaxd.http.compression import WINDOW_BITS, check_encoding, inflate
from softmaxd.http.openapi import Docs, Examples, Responses, error_responses, example_rows, examples_of
from softmaxd.http.operation import Headers, Job, Operation, Reply
from softmaxd.models.answers import AnswerLimits
from softmaxd.models.inputs import read_json
from softmaxd.models.manifest import PROBABILITIES, Manifest
from softmaxd.models.model import Find, Model
from softmaxd.models.outputs import Outputs
from softmaxd.models.repository import Repository
from softmaxd.models.versions import State, Version
from softmaxd.protocols.protocol import BODY_ERRORS, MODEL_ERRORS, refuse_in_one_sentence, refuse_nan, status_of_others
from softmaxd.protocols.v2.codec import InferJob, decode_infer, encode_infer
from softmaxd.protocols.v2.schemas import BINARY, INDEX_REQUEST, INFER_REQUEST, V2Error, V2IndexEntry, V2InferReply
from softmaxd.protocols.v2.sizes import check_infer

ERRORS = (V2Error,)  # the bodies of refusals
PREFIX = "/v2"  # of its paths
ACCEPTED_ENCODINGS = b", ".join(WINDOW_BITS)

INFER = "/v2/models/{name}/infer"
INFER_VERSION = "/v2/models/{name}/versions/{version}/infer"
REPOSITORY_INDEX = "/v2/repository/index"
INFER_DESCRIPTION = """\
An input with `binary_data_size` has its bytes after the JSON. The request's header `Inference-Header-Content-Length`
is then the length of the JSON; with a length of 0 the body has only the bytes of the one tensor. Outputs with
`binary_data` come in the same way. The body may be compressed with gzip or deflate (`Content-Encoding`). Responses of
1 KiB to 4 MiB are compressed if the client accepts gzip or deflate.
"""
BINARY_CONTENT = {BINARY.decode(): {"schema": {"type": "string", "format": "binary"}}}

T = TypeVar("T")


class V2Operation(Operation):
    """An operation whose body may be compressed; clients send any content type or none."""

    def check(self, headers: Headers) -> None:
        check_headers(headers)

    def refuse(self, error: ServiceError) -> Reply:
        return refuse(error)


class Infer(V2Operation):
    def __init__(
        self, path: str, docs: Docs, find: Find, limits: AnswerLimits, *, max_rows: int, max_body_bytes: int
    ) -> None:
        super().__init__(path, docs, find)
        self._limits = limits
        self._max_rows = max_rows
        self._max_body_bytes = max_body_bytes

    def decode(self, body: bytes, headers: Headers, model: Model | None) -> InferJob:
        assert model is not None
        job = decode_infer(body, headers, model.manifest, max_rows=self._max_rows, max_bytes=self._max_body_bytes)
        check_infer(self._limits, job)
        return job

    def encode(self, outputs: Outputs, job: InferJob) -> Reply:
        return encode_infer(outputs, job)


@dataclass(slots=True)
class IndexJob(Job):
    only_ready: bool
    rights: Key


class Index(V2Operation):
    def __init__(self, docs: Docs, models: Repository, access: Access, *, max_body_bytes: int) -> None:
        super().__init__(REPOSITORY_INDEX, docs)
        self._models = models
        self._access = access
        self._max_body_bytes = max_body_bytes

    def decode(self, body: bytes, headers: Headers, model: Model | None) -> IndexJob:
        request = read_optional(INDEX_REQUEST, body, headers, max_bytes=self._max_body_bytes)
        return IndexJob(None, bool(request.get("ready")), self._access.rights(headers))

    def encode(self, outputs: Outputs, job: IndexJob) -> Reply:
        versions = [version for version in self._models.states() if job.rights.may_use(version.name)]
        return Reply(orjson.dumps(list_versions(versions, only_ready=job.only_ready)))


def operations(
    models: Repository,
    limits: AnswerLimits,
    access: Access,
    shown: Model | None,
    *,
    max_rows: int,
    max_body_bytes: int,
) -> list[Operation]:
    """Return the operations of `/v2`, the hottest first; examples are of the model that is `shown`."""
    examples = examples_of(shown, _infer_examples)
    infer: list[Operation] = [
        Infer(path, docs, models.find, limits, max_rows=max_rows, max_body_bytes=max_body_bytes)
        for path, docs in (
            (INFER, _infer_docs("v2_infer", "Features → logits and probabilities", examples)),
            (
                INFER_VERSION,
                _infer_docs("v2_infer_version", "Features → logits and probabilities by one version", examples),
            ),
        )
    ]
    listed = [] if shown is None else list_versions(models.states(), only_ready=True)
    return [*infer, Index(_index_docs(listed), models, access, max_body_bytes=max_body_bytes)]


def check_headers(headers: Headers) -> None:
    """Refuse a Content-Encoding that is not known."""
    for name, value in headers:
        if name == b"content-encoding":
            check_encoding(value)


def refuse(error: ServiceError) -> Reply:
    """Return an error in the form of `/v2`."""
    return refuse_in_one_sentence(error, ACCEPTED_ENCODINGS)


def errors_of_path(*errors: type[ServiceError]) -> Responses:
    """Return the errors of a path for the OpenAPI document."""
    return error_responses(errors, lambda error: (status_of_others(error, error.status), V2Error))


def read_optional(schema: TypeAdapter[T], body: bytes, headers: Headers, *, max_bytes: int) -> T:
    """Return a body as its schema says; an empty body counts as `{}`."""
    body = inflate(body, dict(headers).get(b"content-encoding", b""), max_bytes=max_bytes)
    refuse_nan(body)
    return read_json(schema, body or b"{}")


def list_versions(versions: Iterable[Version], *, only_ready: bool) -> Sequence[V2IndexEntry]:
    """Return the entries of versions in the index."""
    return [entry_of(version) for version in versions if version.model is not None or not only_ready]


def entry_of(version: Version) -> V2IndexEntry:
    """Return the entry of a version in the index."""
    return V2IndexEntry(
        name=version.name, version=str(version.version), state=_state(version.state), reason=version.reason
    )


def _state(state: State) -> Literal["READY", "LOADING", "UNAVAILABLE"]:
    match state:
        case "ready":
            return "READY"
        case "loading":
            return "LOADING"
        case "rejected" | "unloaded":
            return "UNAVAILABLE"
        case _:  # pragma: no cover - mypy proves that there is no other state
            assert_never(state)


def _infer_docs(operation_id: str, summary: str, examples: Examples) -> Docs:
    return Docs(
        operation_id=operation_id,
        tag="v2",
        summary=summary,
        description=INFER_DESCRIPTION,
        request=INFER_REQUEST,
        reply=V2InferReply,
        errors=errors_of_path(*MODEL_ERRORS),
        examples=examples,
        other_content=BINARY_CONTENT,
    )


def _index_docs(listed: Sequence[V2IndexEntry]) -> Docs:
    return Docs(
        operation_id="v2_repository_index",
        tag="v2",
        summary="Every version of every model, with its state",
        request=INDEX_REQUEST,
        reply=list[V2IndexEntry],
        errors=errors_of_path(*BODY_ERRORS),
        examples={"ready": ({"ready": True}, listed)},
        scope="read",
        needs_body=False,
    )


def _infer_examples(model: Model) -> Examples:
    """Return requests to this model with its answers."""
    manifest = model.manifest
    best = {"name": PROBABILITIES, "parameters": {"classification": 1}}
    bodies: dict[str, Any] = {
        "numbers": {"id": "1", "inputs": _example_inputs(manifest), "outputs": [{"name": PROBABILITIES}]},
        "classes": {"inputs": _example_inputs(manifest, is_flat=True), "outputs": [best]},
    }
    examples = {}
    for name, body in bodies.items():
        text = orjson.dumps(body)
        job = decode_infer(text, (), manifest, max_rows=2, max_bytes=len(text))
        examples[name] = (body, orjson.loads(encode_infer(model.run(job.features), job).body))
    return examples


def _example_inputs(manifest: Manifest, *, is_flat: bool = False) -> list[dict[str, Any]]:
    """Return the tensors of two rows, with a list for each row or flat."""
    rows = np.array(example_rows(manifest), dtype=object)
    inputs = []
    for name, datatype, shape in manifest.inputs:
        columns = next((tensor.columns for tensor in manifest.tensors if tensor.name == name), None)
        values = rows if columns is None else rows[:, columns]
        data = (values.ravel() if is_flat else values).tolist()
        inputs.append({"name": name, "shape": [len(rows), *shape], "datatype": datatype, "data": data})
    return inputs
