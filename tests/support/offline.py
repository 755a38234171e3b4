"""`python -m tests.support.offline FOLDER`: serves, adds, calibrates, trains, predicts, pushes and pulls in FOLDER."""

import sys
import time
from pathlib import Path

import httpx

from tests.support.command import softmaxd
from tests.support.keys import FIRST, bearer, hashed, write_keys
from tests.support.paths import MODELS, REPOSITORY
from tests.support.server import Server
from tests.support.waiting import until

PAGES = ("/", "/docs", "/openapi.json", "/models", "/models/blobs/versions/1/card", "/v2/models/stats", "/metrics")
POSTS = {
    "/predict": {"instances": [[1, 2]], "include": ["prediction_sets", "typicality"]},
    "/softmax": {"logits": [1, 2]},
    "/v1/models/blobs:predict": {"instances": [[1, 2]]},
    "/v2/models/blobs/infer": {
        "inputs": [{"name": "features", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}],
    },
}
LEAST_SECONDS = 12.0  # ONNX Runtime by itself would look for its maker's server after eight


def run(*arguments: str) -> str:
    """Run a command of softmaxd, and return its standard output."""
    code, output, error = softmaxd(*arguments)
    assert code == 0, (arguments, error)
    return output


def work(folder: Path, models: Path) -> None:
    """Use every command that reads or writes models."""
    rows, example = folder / "iris.csv", str(REPOSITORY / "tests" / "models" / "pytorch.onnx")
    where = ("--models-dir", str(models))
    rows.write_text(run("train", "example", "iris"))
    run("train", "table", str(rows), "--target", "species", "--name", "flowers", *where)
    run("models", "add", example, "--name", "added", *where)
    run("models", "calibrate", "flowers", str(rows), "--target", "species", *where)
    run("models", "check", *where)
    run("models", "push", str(folder / "store"), "flowers", *where)
    run("models", "pull", str(folder / "store"), "flowers", "--models-dir", str(folder / "replica"))
    run("predict", "flowers", str(rows), "--out", str(folder / "answers.csv"), *where)


def main(folder: Path) -> None:
    """Serve, and work meanwhile; the service tries and loads the new versions."""
    models, begin = folder / "models", time.monotonic()
    run("models", "copy", "blobs", "1", "--to-dir", str(models), "--models-dir", str(MODELS))
    keys = write_keys(folder / "keys", hashed(FIRST))
    settings = {"SOFTMAXD_MODELS_DIR": str(models), "SOFTMAXD_API_KEYS_FILE": str(keys)}
    server = Server("--workers", "2", environment=settings)
    try:
        ask(server.url, folder, models)
        time.sleep(max(0.0, begin + LEAST_SECONDS - time.monotonic()))
    finally:
        code = server.stop()
    assert code == 0


def ask(url: str, folder: Path, models: Path) -> None:
    """Ask the service for everything that it has, before and after new versions came."""
    with httpx.Client(base_url=url, headers=bearer(FIRST), timeout=60) as client:
        for path in PAGES:
            assert client.get(path).status_code == 200, path
        for path, body in POSTS.items():
            assert client.post(path, json=body).status_code == 200, path
        work(folder, models)
        until(lambda: client.get("/models/flowers/versions/2").status_code == 200)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
