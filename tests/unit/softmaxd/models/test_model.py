"""A loaded model answers with the outputs of its file."""

import asyncio

import numpy as np
import pytest

from softmaxd.models.engine import Engine
from softmaxd.models.loading import load
from softmaxd.models.manifest import MODEL_FILE
from softmaxd.models.model import Model
from softmaxd.models.outputs import Outputs
from softmaxd.settings import Settings
from tests.support.paths import MODELS

FOLDER = MODELS / "blobs" / "1"
ROWS = np.array([[15.2, 0.3], [0.1, 14.7], [30.3, 14.9]], dtype=np.float32)


@pytest.fixture
def model() -> Model:
    return load(FOLDER, Settings())


def bytes_of(outputs: Outputs) -> dict[str, bytes]:
    return {name: bytes(outputs.raw(name)) for name in ("logits", "probabilities")}


def test_its_outputs_are_those_of_its_file(model: Model) -> None:
    expected = Engine(FOLDER / MODEL_FILE, device="cpu").run(ROWS)

    found = bytes_of(model.run(ROWS))

    assert found == {name: expected[name].tobytes() for name in found}
    assert (model.manifest.name, model.manifest.version, model.provider) == ("blobs", 1, "CPUExecutionProvider")


def test_its_batcher_gives_the_same_outputs(model: Model) -> None:
    async def submit() -> Outputs:
        return await model.batcher.predict(ROWS)

    assert bytes_of(asyncio.run(submit())) == bytes_of(model.run(ROWS))


def test_two_models_of_one_file_are_not_equal(model: Model) -> None:
    assert model == model  # noqa: PLR0124 - equal only to itself
    assert model != load(FOLDER, Settings())
