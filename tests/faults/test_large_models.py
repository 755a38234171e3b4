"""A model of 160 MB is added and served, with no more memory than the documents say."""

from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest

from tests.support.command import softmaxd
from tests.support.memory import peak, resident
from tests.support.onnx_graphs import model, node, tensor
from tests.support.server import StartServer

pytestmark = pytest.mark.anew
SIDE, LAYERS = 2048, 10  # 16 MiB each


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models to which a network of 168 MB has been added; each layer turns the order of the numbers."""
    folder = tmp_path_factory.mktemp("large")
    turn = np.eye(SIDE, dtype=np.float32)[::-1]
    nodes = [node("MatMul", f"h{layer} w{layer}", f"h{layer + 1}") for layer in range(LAYERS)]
    graph = model(
        [node("MatMul", "x first", "h0"), *nodes, node("MatMul", f"h{LAYERS} last", "s")],
        outputs=[tensor("s", ["n", 3])],
        constants={
            "first": np.eye(2, SIDE, dtype=np.float32),
            "last": np.eye(SIDE, 3, dtype=np.float32),
            **{f"w{layer}": turn for layer in range(LAYERS)},
        },
    )
    onnx.save(graph, folder / "large.onnx")

    added = softmaxd("models", "add", str(folder / "large.onnx"), "--name", "large", models_dir=str(folder / "models"))

    assert (added[0], added[2]) == (0, "")
    return folder / "models"


def test_a_model_of_160_mb_takes_once_its_file_when_loaded_and_a_little_more_than_twice_while_it_is_loaded(
    models: Path, start_server: StartServer
) -> None:
    file = (models / "large" / "1" / "model.onnx").stat().st_size
    plain = start_server()
    large = start_server(models_dir=str(models))

    answer = httpx.post(f"{large.url}/predict", json={"instances": [[1, 2]]}, timeout=30).json()

    before, at_rest, most = resident(plain.process.pid), resident(large.process.pid), peak(large.process.pid)
    assert answer["labels"] == ["class-1"]
    assert file > 160e6
    assert at_rest - before < 1.3 * file
    assert most - before < 2.5 * file
