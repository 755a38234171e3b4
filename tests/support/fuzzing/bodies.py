"""Bodies of a protocol, on their way through an operation: check, decode, model, encode."""

import contextlib
import json
import random
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from softmaxd.app import create_app
from softmaxd.errors import ServiceError
from softmaxd.http.operation import Headers, Operation
from softmaxd.models.outputs import NOT_ASKED
from softmaxd.protocols.v2 import changes
from softmaxd.protocols.v2.operations import read_optional
from softmaxd.protocols.v2.schemas import LOAD_REQUEST
from softmaxd.settings import Settings
from tests.support.paths import MODELS
from tests.support.tables import publish_filled, publish_mixed

HEAD = 3  # bytes before the body: the operation, the headers, and the length of the JSON of `/v2`
MAX_ROWS, MAX_BODY_BYTES = 100, 100_000
MODEL_NAMES = ("blobs", "iris", "digits", "people", "filled")
FIELDS: tuple[Headers, ...] = (
    (),
    ((b"content-type", b"application/json"),),
    ((b"content-encoding", b"gzip"),),
    ((b"content-encoding", b"deflate"), (b"accept-encoding", b"gzip, deflate;q=0.5")),
    ((b"accept-encoding", b"gzip"),),
)
JSON_LENGTH = b"inference-header-content-length"


@contextlib.contextmanager
def bodies(prefix: str) -> Iterator[Callable[[bytes], None]]:
    """Give a function that answers bodies of one protocol, with the committed models and two of tables."""
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        for model in MODELS.iterdir():
            (models / model.name).symlink_to(model)
        publish_mixed(models)
        publish_filled(models)
        yield Bodies(prefix, models)


class Bodies:
    """The operations of one protocol."""

    def __init__(self, prefix: str, models: Path) -> None:
        settings = Settings(models_dir=models, default_model="blobs", max_rows=MAX_ROWS, max_body_bytes=MAX_BODY_BYTES)
        operations: list[Operation] = create_app(settings).state.operations
        self._operations = [each for each in operations if re.match(prefix, each.path)]

    def __call__(self, content: bytes) -> None:
        """Answer a body; an exception that is not ours, a 5xx or an answer that is not JSON gets out of here."""
        which, fields, length = content[:HEAD].ljust(HEAD, b"\0")
        headers = FIELDS[fields % 2**7 % len(FIELDS)]
        if fields >= 2**7:
            headers = (*headers, (JSON_LENGTH, b"%d" % length))
        count = len(self._operations)
        answer(self._operations[which % count], MODEL_NAMES[which // count % len(MODEL_NAMES)], headers, content[HEAD:])


def answer(operation: Operation, name: str, headers: Headers, body: bytes) -> None:
    """Answer a body with an operation, whose path may name the model and its version 1."""
    is_named, has_version = "{name}" in operation.path, "{version}" in operation.path
    try:
        operation.check(headers)
        model = operation.find(name if is_named else None, "1" if has_version else None)
        job = operation.decode(body, headers, model)
        outputs = NOT_ASKED if model is None or job.features is None else model.run(job.features)
        reply = operation.encode(outputs, job)
    except ServiceError as error:
        reply = operation.refuse(error)
        assert reply.status < 500, reply
    fields = dict(reply.fields)
    if fields[b"content-type"] == b"application/json" and b"content-encoding" not in fields:
        json.loads(reply.body.decode(), parse_constant=_refuse_constant)


def change(content: bytes) -> None:
    """Read the body of a request that loads a model."""
    headers = FIELDS[content[0] % len(FIELDS)] if content else ()
    with contextlib.suppress(ServiceError):
        changes.refuse_upload(read_optional(LOAD_REQUEST, content[1:], headers, max_bytes=MAX_BODY_BYTES))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


SCALARS = (0, 1, -1, 2, 1e39, -1e39, 5e-324, 2**31, 2**53 + 1, 2**63, 10**30, -0.0, 0.5, "", "a", "é\0", None, True)
NAMES = (
    *(
        "logits",
        "temperature",
        "targets",
        "include",
        "instances",
        "top_k",
        "coverage",
        "coverage_by",
        "inputs",
        "examples",
        "context",
    ),
    *("signature_name", "features", "x1", "x2", "loss", "entropy", "sigmoid", "log_probabilities", "prediction_sets"),
    *("typicality", "probabilities", "name", "shape", "datatype", "FP32", "INT64", "BYTES", "data", "parameters", "id"),
    *("binary_data_size", "binary_data", "binary_data_output", "classification", "outputs", "serving_default", "b64"),
    *("age", "job", "income", "member", "children", "city", "numbers", "BOOL", "FP64", "f0", "f1"),
    *("ready", "labels", "min", "max", "calibration", "rows", "scores", "atypicality", "sha256", "version", "metrics"),
)


def mutate(content: bytes, head: int, chance: random.Random, mutate_bytes: Callable[[bytes], bytes]) -> bytes:
    """Change a place of the JSON after the head, or any bytes."""
    if chance.random() < 0.4:
        return mutate_bytes(content)
    try:
        value = json.loads(content[head:])
    except ValueError:
        return mutate_bytes(content)
    for _ in range(chance.randint(1, 3)):
        value = _changed(value, chance)
    with contextlib.suppress(ValueError, RecursionError):
        return content[:head] + json.dumps(value).encode("utf-8", "surrogatepass")
    return mutate_bytes(content)


def _changed(value: object, chance: random.Random) -> object:
    """Return JSON with one place changed."""
    if isinstance(value, list) and value and chance.random() < 0.8:
        place = chance.randrange(len(value))
        changed = value[:place] + _one_or_two(_changed(value[place], chance), chance) + value[place + 1 :]
        return changed * 40 if chance.random() < 0.1 and len(str(changed)) < 100 else changed
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(sorted(value))
        match chance.randrange(6):
            case 0:
                return {other: item for other, item in value.items() if other != key}
            case 1:
                return {**value, chance.choice(NAMES): _drawn(chance)}
            case _:
                return {**value, key: _changed(value[key], chance)}
    return _drawn(chance) if chance.random() < 0.7 else [value]


def _one_or_two(item: object, chance: random.Random) -> list[object]:
    return chance.choice(([item], [item], [item, item], []))


def _drawn(chance: random.Random) -> object:
    match chance.randrange(6):
        case 0:
            return [_drawn(chance) for _ in range(chance.randrange(3))]
        case 1:
            return {chance.choice(NAMES): _drawn(chance)}
        case 2:
            return chance.choice(NAMES)
        case _:
            return chance.choice(SCALARS)
