"""The calls of TensorFlow Serving's documentation by curl: its options and paths, with rows that our model takes."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from softmaxd.models.engine import Engine
from softmaxd.models.manifest import MODEL_FILE
from tests.support.arrays import bits
from tests.support.onnx_models import LABELS, linear, publish
from tests.support.server import Server
from tests.support.skipping import skip_outside_ci

DOCUMENTED_URL = "http://localhost:8501"
ROWS = [[1.0, 2.0], [10.5, 4.6], [5.0, 0.0]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a classifier under the names of the documentation."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("half_plus_two", "half_plus_three"):
        publish(folder, 123, linear().SerializeToString(), name=name)
    return folder


@pytest.fixture(scope="module")
def url(models: Path) -> Iterator[str]:
    server = Server(environment={"SOFTMAXD_MODELS_DIR": str(models)})
    yield server.url
    assert server.stop() == 0


def shell(line: str, url: str, folder: Path | None = None) -> str:
    """Run a line of the documentation in a folder, and return its output."""
    assert DOCUMENTED_URL in line
    if shutil.which("curl") is None:
        skip_outside_ci("curl is not installed")
    result = subprocess.run(
        ["sh", "-c", line.replace(DOCUMENTED_URL, url)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def expected(models: Path, rows: object, output: str = "probabilities") -> bytes:
    """Return an output of the ONNX file for rows, without a service."""
    engine = Engine(models / "half_plus_two" / "123" / MODEL_FILE, device="cpu")
    return engine.run(np.array(rows, np.float32))[output].tobytes()


@pytest.mark.parametrize("path", ["half_plus_three", "half_plus_three/versions/123"])
def test_asks_for_the_status_of_a_model(url: str, path: str) -> None:
    status = json.loads(shell(f"curl http://localhost:8501/v1/models/{path}", url))

    assert status["model_version_status"] == [
        {"version": "123", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    ]


@pytest.mark.parametrize("path", ["half_plus_three", "half_plus_three/versions/123"])
def test_asks_for_the_metadata_of_a_model(url: str, path: str) -> None:
    metadata = json.loads(shell(f"curl http://localhost:8501/v1/models/{path}/metadata", url))

    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert metadata["model_spec"] == {"name": "half_plus_three", "signature_name": "", "version": "123"}
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert (list(signature["inputs"]), list(signature["outputs"])) == (["features"], ["probabilities"])


@pytest.mark.parametrize(
    "line",
    [
        "curl -d '{\"instances\": [[1.0,2.0],[10.5,4.6],[5.0,0.0]]}' "
        "-X POST http://localhost:8501/v1/models/half_plus_three:predict",
        "curl -d '{\"instances\": [[1.0, 2.0], [10.5, 4.6], [5.0, 0.0]]}' \\\n"
        "    -X POST http://localhost:8501/v1/models/half_plus_two:predict",
        "curl -X POST http://localhost:8501/v1/models/half_plus_three/versions/123:predict "
        '-d \'{"signature_name": "serving_default", "instances": [[1.0,2.0],[10.5,4.6],[5.0,0.0]]}\'',
        "curl -H 'Content-Type: application/json' "
        '-d \'{"instances": [{"features": [1, 2]}, {"features": [10.5, 4.6]}, {"features": [5, 0]}]}\' '
        "-X POST http://localhost:8501/v1/models/half_plus_three:predict",
    ],
    ids=["one line", "two lines", "a version", "JSON"],
)
def test_predicts_in_row_format(models: Path, url: str, line: str) -> None:
    answer = json.loads(shell(line, url))

    assert list(answer) == ["predictions"]
    assert bits(answer["predictions"]) == expected(models, ROWS)


def test_predicts_in_columnar_format(models: Path, url: str) -> None:
    line = (
        'curl -d \'{"signature_name": "logits", "inputs": {"features": [[1.0,2.0],[10.5,4.6],[5.0,0.0]]}}\' '
        "-X POST http://localhost:8501/v1/models/half_plus_three:predict"
    )

    answer = json.loads(shell(line, url))

    assert list(answer) == ["outputs"]
    assert bits(answer["outputs"]) == expected(models, ROWS, "logits")


def test_classifies_examples(models: Path, url: str) -> None:
    line = (
        'curl -d \'{"signature_name": "serving_default", '
        '"examples": [{"x1": 1.0, "x2": 2.0}, {"x1": 10.5, "x2": 4.6}]}\' \\\n'
        "  -X POST http://localhost:8501/v1/models/half_plus_three:classify"
    )

    results = json.loads(shell(line, url))["results"]

    assert [[label for label, _ in result] for result in results] == [list(LABELS)] * 2
    assert bits([[score for _, score in result] for result in results]) == expected(models, ROWS[:2])


def test_posts_a_file_for_which_curl_first_asks_to_continue(models: Path, url: str, tmp_path: Path) -> None:
    rows = [[index / 4096, 1.0] for index in range(80_000)]
    (tmp_path / "rows.json").write_text(json.dumps({"instances": rows}))
    assert (tmp_path / "rows.json").stat().st_size > 2**20

    answer: dict[str, Any] = json.loads(
        shell("curl -X POST -d @rows.json http://localhost:8501/v1/models/half_plus_two:predict", url, tmp_path)
    )

    assert bits(answer["predictions"]) == expected(models, rows)


def test_an_unknown_model_is_refused_as_documented(url: str) -> None:
    line = "curl -i -d '{\"instances\": [[1.0,5.0]]}' -X POST http://localhost:8501/v1/models/half:predict"

    head, _, body = shell(line, url).partition("\n\n")

    assert head.splitlines()[0] == "HTTP/1.1 404 Not Found"
    assert "content-type: application/json" in head.splitlines()
    assert list(json.loads(body)) == ["error"]
