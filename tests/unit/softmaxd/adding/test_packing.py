"""Weights in other files of the folder are taken into the graph."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from softmaxd.adding.graphs import read
from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.onnxfile import MAX_MODEL_BYTES
from tests.support.onnx_graphs import WEIGHTS, logits_only, node


def with_weights_elsewhere(**place: str) -> bytes:
    """Return the plainest classifier with its weights at another place: a location, an offset, a length."""
    file = logits_only()
    (weights,) = file.graph.initializer
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in place.items():
        weights.external_data.add(key=key, value=value)
    return bytes(file.SerializeToString())


def test_weights_in_another_file_are_refused() -> None:
    with pytest.raises(Refused, match=r"^the weights are in another file .*: --pack takes them from the same folder$"):
        read(with_weights_elsewhere(location="weights.bin"))


@pytest.mark.parametrize(
    ("before", "after", "place"), [("", "", {}), ("123", "45", {"offset": "3", "length": str(WEIGHTS.nbytes)})]
)
def test_weights_in_another_file_are_packed(before: str, after: str, place: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(before.encode() + WEIGHTS.tobytes() + after.encode())

    packed = read(with_weights_elsewhere(location="weights.bin", **place), weights=tmp_path)

    assert packed == logits_only()


def test_a_node_may_have_its_weights_in_another_file_too(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(WEIGHTS.tobytes())
    file = onnx.load_model_from_string(with_weights_elsewhere(location="weights.bin"))
    constant = node("Constant", "", "w", value=file.graph.initializer.pop())
    file.graph.node.insert(0, constant)

    packed = read(file.SerializeToString(), weights=tmp_path)

    assert np.allclose(
        Engine(packed.SerializeToString(), device="cpu").run(np.eye(2, dtype=np.float32))["scores"], WEIGHTS
    )


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (
            {"location": "../weights.bin"},
            "the weights are in '../weights.bin', but --pack takes only files of the same",
        ),
        ({"location": "/etc/passwd"}, "the weights are in '/etc/passwd', but "),
        ({"location": ".."}, "the weights are in '..', but "),
        ({"location": ""}, "the weights are in '', but "),
        ({"location": "a\0b"}, r"the weights are in 'a\x00b', but "),
        ({"location": "weights.bin", "length": "9" * 5000}, "the place of its weights in the other file is not a"),
        ({"location": "weights.bin", "offset": "-1"}, "the place of its weights in the other file is not a number"),
    ],
)
def test_weights_at_other_places_are_not_packed(place: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        read(with_weights_elsewhere(**place), weights=tmp_path)

    assert str(refused.value).startswith(message)


def test_a_missing_file_of_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"weights\.bin"):
        read(with_weights_elsewhere(location="weights.bin"), weights=tmp_path)


def test_weights_are_packed_up_to_the_limit_of_a_model(tmp_path: Path) -> None:
    with (tmp_path / "weights.bin").open("wb") as weights:
        weights.truncate(MAX_MODEL_BYTES)

    with pytest.raises(Refused, match=r"^with its weights it has more than the 536870912 bytes that a model may have$"):
        read(with_weights_elsewhere(location="weights.bin"), weights=tmp_path)
