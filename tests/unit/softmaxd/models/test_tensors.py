"""Rows that are tensors: the fast reader and the schema give the same features and errors."""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from softmaxd.errors import InvalidBody, TooLarge
from softmaxd.models import large_json
from softmaxd.models.features import MAX_NUMBERS, Datatype
from softmaxd.models.inputs import read_features
from softmaxd.models.large_json import PIECE
from softmaxd.models.schemas import with_fields
from softmaxd.protocols.native.schemas import PREDICT_REQUESTS, PredictRequest
from tests.support.manifests import manifest
from tests.support.mutations import fuzz, mutations

MAX_ROWS = 6
NEVER = 2**40  # as fast_from: the schema reads every body

Outcome = tuple[object, ...]


def outcome(body: bytes, shape: Sequence[int], *, fast_from: int = 0, datatype: Datatype = "FP32") -> Outcome:
    """Return all that can be told of a body: its features as bytes and its other fields, or its error."""
    model = manifest(1, features=[{"name": "image", "shape": shape}], datatype=datatype)
    try:
        features, request = read_features(
            PREDICT_REQUESTS[model.depth], body, model, max_rows=MAX_ROWS, fast_from=fast_from
        )
    except InvalidBody as error:
        return InvalidBody, error.problems
    except TooLarge as error:
        return TooLarge, error.detail
    return features.dtype, features.shape, features.tobytes(), request.get("include"), repr(request.get("top_k"))


@contextlib.contextmanager
def pieces_of(size: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_json, "PIECE", size)
        yield


blanks = st.text(" \n", max_size=2)
numbers = (
    st.integers(-9, 300).map(str)
    | st.floats(-3e38, 3e38).map(repr)
    | st.sampled_from(["-0.0", "1e39", "1e-46", "1e999", "null", "true", '"1"', "18446744073709551616", "[]"])
)
good = st.integers(-9, 300).map(str) | st.floats(-(2.0**127), 2.0**127, width=32).map(repr)


def nested(draw: st.DrawFn, shape: Sequence[int], number: st.SearchStrategy[str]) -> str:
    if not shape:
        return draw(number)
    inner = ",".join(f"{draw(blanks)}{nested(draw, shape[1:], number)}{draw(blanks)}" for _ in range(shape[0]))
    return f"[{inner}]"


@st.composite
def documents(draw: st.DrawFn, number: st.SearchStrategy[str]) -> tuple[bytes, list[int]]:
    """Draw a request with some tensors, and their shape."""
    shape = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    rows = draw(st.integers(1, MAX_ROWS + 1))
    body = f'{{"top_k":1,"instances":{nested(draw, [rows, *shape], number)},"include":["logits"]}}'
    return body.encode(), shape


@fuzz
@given(documents(good), st.sampled_from([1, 10, PIECE]))
def test_good_tensors_are_read_alike_by_both_readers(document: tuple[bytes, list[int]], piece: int) -> None:
    body, shape = document
    with pieces_of(piece):
        fast = outcome(body, shape)

    rows = json.loads(body)["instances"]
    assert fast == outcome(body, shape, fast_from=NEVER)
    assert fast[0] is TooLarge or fast[2] == np.array(rows, np.float32).tobytes()


def agree(fast: Outcome, slow: Outcome) -> bool:
    """Return whether both readers answer alike; the fast one refuses too many rows before it looks at their numbers."""
    return fast == slow or (fast[0] is TooLarge and slow[0] is InvalidBody)


@fuzz
@given(
    documents(numbers) | documents(good),
    st.lists(mutations(), max_size=3),
    st.sampled_from([1, 10, PIECE]),
    st.sampled_from(["FP32", "UINT8", "INT64"]),
)
@example((b'{"instances":[[[1,2],[3,4]]]}', [1, 2, 2]), [], 1, "FP32")
@example((b'{"instances":[[[1,2]5,[3,4]]]}', [2, 2]), [], 1, "FP32")
@example((b'{"instances":[[5[1,2],[3,4]]]}', [2, 2]), [], 1, "FP32")
@example((b'{"instances":[[[1,],[3,4]]]}', [2, 2]), [], 1, "FP32")
@example((b'{"instances":[[[1 1,2],[3,4]]]}', [2, 2]), [], PIECE, "FP32")
@example((b'{"instances":[[[]]]}', [1, 1]), [], PIECE, "FP32")
@example((b'{"instances":[[[1]],[[]]]}', [1, 1]), [], PIECE, "FP32")
def test_any_change_of_tensors_is_read_alike_by_both_readers(
    document: tuple[bytes, list[int]], changes: Sequence[Callable[[bytes], bytes]], piece: int, datatype: Datatype
) -> None:
    body, shape = document
    for change in changes:
        body = change(body)

    with pieces_of(piece):
        fast = outcome(body, shape, datatype=datatype)
    assert agree(fast, outcome(body, shape, fast_from=NEVER, datatype=datatype))


def test_a_large_body_of_tensors_is_read_fast() -> None:
    rows = np.random.default_rng(0).normal(size=(6, 3, 40, 50)).astype(np.float32)
    body = orjson.dumps({"instances": rows.tolist()})
    model = manifest(1, features=[{"name": "image", "shape": (3, 40, 50)}])

    features, request = read_features(PREDICT_REQUESTS[3], body, model, max_rows=6)

    assert len(body) > 2 * PIECE
    assert request["instances"] == []  # the fast reader leaves none in the request
    assert features.tobytes() == rows.tobytes()
    assert features.shape == (6, 6000)


def test_only_a_feature_alone_may_be_a_tensor() -> None:
    pair = [{"name": "a", "shape": (2,)}, {"name": "b"}]

    with pytest.raises(ValueError, match="should be one tensor of numbers, or only single values"):
        manifest(1, features=pair)
    with pytest.raises(ValueError, match=f"should have at most {MAX_NUMBERS} numbers"):
        manifest(1, features=[{"name": "a", "shape": (2**13, 2**12)}])


def test_other_fields_keep_their_types() -> None:
    changed = with_fields(PredictRequest, {"instances": int})

    assert changed.__required_keys__ == {"instances"}  # type: ignore[attr-defined]
    assert changed.__optional_keys__ == PredictRequest.__optional_keys__  # type: ignore[attr-defined]
