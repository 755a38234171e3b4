"""Plain bodies, several in one pass → numbers. The schema is the contract, and reads all bodies that are not plain.

A reader takes a body only if it proves that the schema would take it, with the same numbers to the last bit. orjson
and the parser of pydantic both read RFC 8259, and round numbers alike. They differ in this:

- pydantic also reads `NaN` and `Infinity`, and skips numbers beyond float64 that no schema asks for. orjson then
  refuses the whole body, which goes to the schema.
- orjson also reads numbers with more than 4,300 digits before the point. A plain body is shorter.
- orjson also reads brackets that are more than 200 deep. A field that occurs twice could hide them, because its last
  value counts. So a native body has two quotes, for its only field.
- pydantic makes floats of integers and of nothing else. So the types of all numbers are checked, together.

The data of `/v2` stands in a description, which the schema itself has read with other numbers in its place. An array of
numbers can take the place of another one there, so only the array needs a proof.

A number that is none, or that the type cannot hold, leaves all bodies of its pass to the schema.

Most bodies of a pass differ only in their numbers. They are read at once: if the first one is plain, so are all that
have other numbers in the place of its own.
"""

import struct
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import orjson

from softmaxd.errors import InvalidBody, TooLarge
from softmaxd.models.inputs import LARGE_BODY
from softmaxd.models.manifest import Layout, Manifest
from softmaxd.models.outputs import Features, is_finite
from softmaxd.protocols.v2.codec import MAX_KNOWN, MAX_KNOWN_BYTES, Plan, json_length, read_known_plan, read_plan
from softmaxd.protocols.v2.tensors import count_rows
from softmaxd.protocols.v2.wanted import ALL_AS_BYTES

NUMBERS = frozenset({float, int})
QUOTES_OF_ONE_FIELD = 2
OF_NUMBERS = b"+-.0123456789Ee "  # the bytes of numbers, and the blank before one
END = b"\n"  # of the numbers of a body
FEWEST_ALIKE = 12  # bodies; to read fewer one by one is faster


@dataclass(slots=True)
class Plain:
    """The numbers of the plain ones among several bodies."""

    numbers: Features  # [rows, columns], in the order of the bodies, each of which has one row if there are no plans
    indices: list[int]  # of these bodies


@dataclass(slots=True)
class PlainTensors(Plain):
    """The tensors of the plain ones among several bodies of `/v2`."""

    plans: list[Plan]  # of these bodies, without features: their rows, and the other fields of their requests


def plain_instances(bodies: Sequence[bytes], manifest: Manifest) -> Plain | None:
    """Return the features of the bodies of `…/predict` with one list of numbers and no other field.

    None stands for no such body. Integer features, tensors and tables are never plain.
    """
    if manifest.row_struct is None:
        return None
    width = manifest.layout.width
    numbers: list[float] = []
    indices = []
    for index, body in enumerate(bodies):
        rows = _only_field(body, "instances")
        if type(rows) is list and len(rows) == 1 and type(rows[0]) is list and len(rows[0]) == width:
            if index == 0 and (alike := _numbers_alike(bodies, rows[0], body.rfind(b"["))):
                numbers, indices = alike, list(range(len(bodies)))
                break
            numbers += rows[0]
            indices.append(index)
    features = _to_type(numbers, width, manifest.layout.code, manifest.dtype)
    return None if features is None else Plain(features, indices)


def plain_logits(bodies: Sequence[bytes], *, max_classes: int) -> list[Plain]:
    """Return the float64 logits of the bodies of `/softmax` with one vector and no other field, by its length."""
    found: dict[int, tuple[list[float], list[int]]] = defaultdict(lambda: ([], []))
    for index, body in enumerate(bodies):
        logits = _only_field(body, "logits")
        if type(logits) is list and 0 < len(logits) <= max_classes and type(logits[0]) is not list:
            if index == 0 and (alike := _numbers_alike(bodies, logits, body.rfind(b"["))):
                found[len(logits)] = alike, list(range(len(bodies)))
                break
            numbers, indices = found[len(logits)]
            numbers += logits
            indices.append(index)
    double = np.dtype(np.float64)
    typed = ((_to_type(numbers, classes, "d", double), indices) for classes, (numbers, indices) in found.items())
    return [Plain(logits, indices) for logits, indices in typed if logits is not None]


def plain_data(bodies: Sequence[bytes], manifest: Manifest, *, max_rows: int) -> PlainTensors | None:
    """Return the features of the bodies of `…/infer` with flat numbers, or one list of them, in a known description.

    None stands for no such body. Integer features and tables are never plain, nor is a body with an `id`, as its
    description is not sent again.
    """
    if manifest.tensors or not manifest.layout.code:
        return None
    layout = manifest.layout
    numbers: list[float] = []
    indices, plans = [], []
    for index, body in enumerate(bodies):
        found = _data_in_description(body, layout, max_rows)
        if found is not None:
            data, plan, start = found
            if index == 0 and (alike := _numbers_alike(bodies, data, start)):
                numbers, plans, indices = alike, [plan] * len(bodies), list(range(len(bodies)))
                break
            numbers += data
            plans.append(plan)
            indices.append(index)
    features = _to_type(numbers, layout.width, layout.code, layout.dtype)
    return None if features is None else PlainTensors(features, indices, plans)


def plain_tensors(
    bodies: Sequence[bytes], lengths: Sequence[bytes], manifest: Manifest, *, max_rows: int
) -> PlainTensors | None:
    """Return the features of the bodies of `…/infer` with bytes; `lengths` are their Inference-Header-Content-Length.

    None stands for no such body. Tables are never plain. A number that is not finite leaves all bodies to the schema.
    """
    if manifest.tensors:
        return None
    layout = manifest.layout
    tensors, indices, plans = [], [], []
    for index, (body, length) in enumerate(zip(bodies, lengths, strict=True)):
        plan = _plan_of_bytes(body, length, layout, max_rows)
        if plan is not None:
            tensors.append(body[len(body) - plan.tensor_bytes :])
            plans.append(plan)
            indices.append(index)
    features = np.ndarray((sum(plan.rows for plan in plans), layout.width), layout.dtype, b"".join(tensors))
    return PlainTensors(features, indices, plans) if plans and is_finite(features) else None


def _only_field(body: bytes, field: str) -> object:
    """Return the value of a short body's only field; None if it is another one, or the body is no such object."""
    if body.count(b'"') != QUOTES_OF_ONE_FIELD or len(body) >= LARGE_BODY:
        return None
    try:
        found: object = orjson.loads(body)[field]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return found


def _numbers_alike(bodies: Sequence[bytes], of_first: list[float], place: int) -> list[float] | None:
    """Return the numbers of all bodies, given those of the first one, a list that begins at this place.

    None if they differ in anything else, or are few. With an end behind each body, the texts around the numbers are
    replaced together. As many must be replaced as there are bodies, so no body has an end of its own. Without the bytes
    of numbers, only commas and ends are left, as many as in the first body each time. orjson then finds a number in
    each place, or refuses them all.
    """
    first, count = bodies[0], len(bodies)
    if count < FEWEST_ALIKE or END in first or not NUMBERS.issuperset(map(type, of_first)):
        return None
    start, stop = place + 1, first.find(b"]", place) - len(first)
    before, after, comma = first[:start], first[stop:], b"," + END
    text = END.join(bodies)
    numbers = text[start:stop].replace(after + END + before, comma)
    replaced = len(text) - len(before + numbers + after)
    commas = b"," * (len(of_first) - 1)
    if (
        (not text.endswith(after) or max(map(len, bodies)) >= LARGE_BODY)
        or replaced != (count - 1) * len(after + END + before) - (count - 1) * len(comma)
        or numbers.translate(None, OF_NUMBERS) != comma.join([commas] * count)
    ):
        return None
    try:
        found: list[float] = orjson.loads(b"[%b]" % numbers)
    except orjson.JSONDecodeError:
        return None
    return found


def _to_type(numbers: list[float], columns: int, code: str, dtype: np.dtype[np.generic]) -> Features | None:
    """Return all numbers in a type of floats; None without any, or if one is something else or beyond the type."""
    if not numbers or not NUMBERS.issuperset(map(type, numbers)):
        return None
    try:
        packed = struct.pack(f"={len(numbers)}{code}", *numbers)
    except OverflowError:
        return None
    return np.ndarray((len(numbers) // columns, columns), dtype, packed)


def _data_in_description(body: bytes, layout: Layout, max_rows: int) -> tuple[list[float], Plan, int] | None:
    """Return the list of a short body in the place of its data, the plan of all around it, and where it begins."""
    start = body.find(b"[", body.find(b'"data"'))
    stop = body.rfind(b"]", start, body.find(b"}", start)) + 1
    if not 0 < start < stop or len(body) >= LARGE_BODY or b'"id"' in body:
        return None
    try:
        data = orjson.loads(body[start:stop])
    except orjson.JSONDecodeError:
        return None
    before, after = body[:start], body[stop:]
    if len(data) == 1 and type(data[0]) is list:
        data, before, after = data[0], before + b"[", b"]" + after
    if not data or type(data[0]) is list:
        return None
    plan = _known_plan(before, after, len(data), layout, max_rows)
    return None if plan is None else (data, plan, body.find(b"[", len(before)))


@lru_cache(maxsize=MAX_KNOWN)
def _known_plan(before: bytes, after: bytes, count: int, layout: Layout, max_rows: int) -> Plan | None:
    """Return the plan of a body in which so many numbers stand between two texts; None if they are not its data.

    They are if the schema reads zeros there as features of zeros, and ones as ones.
    """
    for digit in (b"0", b"1"):
        text = b"%b[%b]%b" % (before, b",".join([digit] * count), after)
        try:
            plan = read_plan(text, layout, max_rows)
        except (InvalidBody, TooLarge):
            return None
        if plan.features is None or plan.needs_calibration or (plan.features != int(digit)).any():
            return None
    return replace(plan, features=None)


def _plan_of_bytes(body: bytes, length: bytes, layout: Layout, max_rows: int) -> Plan | None:
    """Return the plan of a body that ends with the bytes of its tensor; None if it is not plain."""
    try:
        json_bytes = json_length(length, len(body))
        if json_bytes == 0:
            rows = count_rows(body, "", layout.row_bytes, max_rows)
            return Plan(rows, None, len(body), None, ALL_AS_BYTES, needs_calibration=False)
        if json_bytes > MAX_KNOWN_BYTES:
            return None
        plan = read_known_plan(body[:json_bytes], layout, max_rows)
    except (InvalidBody, TooLarge):
        return None
    is_plain = plan.features is None and not plan.needs_calibration
    return plan if is_plain and plan.tensor_bytes == len(body) - json_bytes else None
