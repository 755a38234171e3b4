"""Generators of clients take the OpenAPI document as it is, and the clients that they write call the service."""

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from tests.support.server import StartServer
from tests.support.skipping import skip_outside_ci
from tests.support.tables import publish_mixed

TYPESCRIPT = Path(__file__).with_name("typescript")
VECTOR = {"logits": [0.7, 1.5, 4.8]}
ROWS = {"instances": [[1.0, 2.0]], "include": ["logits"]}
TENSOR = {
    "inputs": [{"name": "features", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]}],
    "outputs": [{"name": "probabilities"}],
}
INFER = "/v2/models/blobs/infer"

Answers = dict[str, Any]  # by operation id; Any: as they come from JSON


def run(*command: str | Path, folder: Path) -> str:
    """Return the standard output of a command that succeeds, and has nothing to say on standard error."""
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def folder(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the document of the service."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_bytes(client.get("/openapi.json").content)
    (folder / "blobs.json").write_bytes(client.get("/models/blobs/openapi.json").content)
    return folder


@pytest.fixture(scope="module")
def answers(client: httpx.Client) -> Answers:
    """The answers of the service to the requests of these tests."""
    return {
        "softmax": client.post("/softmax", json=VECTOR).json(),
        "predict": client.post("/predict", json=ROWS).json(),
        "v2_infer": client.post(INFER, json=TENSOR).json(),
        "list_models": client.get("/models").json(),
        "refused": client.post("/softmax", json={"logits": []}).json(),
    }


@pytest.fixture(scope="module")
def python_client(folder: Path) -> Path:
    """The folder of the package of the whole service."""
    return generated(folder, "softmaxd_client")


def generated(folder: Path, name: str) -> Path:
    """Return the folder of a package that openapi-python-client writes without a warning, of the document beside it."""
    (folder / "config.yml").write_text("post_hooks: []\n")  # they only tidy up
    output = run(
        *(sys.executable, "-W", "error", "-m", "openapi_python_client", "generate", "--fail-on-warning"),
        *("--path", "openapi.json", "--config", "config.yml", "--meta", "none", "--output-path", name),
        folder=folder,
    )
    assert "WARNING" not in output.upper()
    return folder / name


def module_of(package: Path, operation_id: str) -> ModuleType:
    """Import the module of an operation, in whichever tag's folder it is."""
    (file,) = package.glob(f"api/*/{operation_id}.py")
    return importlib.import_module(f"{package.name}.api.{file.parent.name}.{operation_id}")


def test_the_client_of_openapi_python_client_calls_the_service(
    python_client: Path, base_url: str, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(python_client.parent)
    package = importlib.import_module("softmaxd_client")
    models = importlib.import_module("softmaxd_client.models")
    requests = {
        "softmax": {"body": models.SoftmaxRequest.from_dict(VECTOR)},
        "predict": {"body": models.PredictRequest.from_dict(ROWS)},
        "v2_infer": {"name": "blobs", "body": models.V2InferRequest.from_dict(TENSOR)},
        "list_models": {},
    }

    with package.Client(base_url=base_url, raise_on_unexpected_status=True) as client:
        for operation_id, request in requests.items():
            reply = module_of(python_client, operation_id).sync(client=client, **request)
            assert reply.to_dict() == answers[operation_id], operation_id
        refused = module_of(python_client, "softmax").sync(
            client=client, body=models.SoftmaxRequest.from_dict({"logits": []})
        )

    assert refused.to_dict() == answers["refused"]


def test_the_client_of_a_model_has_typed_rows_and_labels(
    tmp_path: Path, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_mixed(tmp_path / "models")
    url = start_server("--models-dir", str(tmp_path / "models")).url
    (tmp_path / "openapi.json").write_bytes(httpx.get(f"{url}/models/people/openapi.json").content)
    folder = generated(tmp_path, "people_client")
    monkeypatch.syspath_prepend(tmp_path)
    package = importlib.import_module("people_client")
    models = importlib.import_module("people_client.models")
    rows = [
        models.Row(age=41.5, job="clerk", income=120.5, member=True, children=2, city="Bern"),
        models.Row(age=None, income=0, member=False, children=0, city="Oslo"),
    ]

    with package.Client(base_url=url, raise_on_unexpected_status=True) as client:
        replies = [
            module_of(folder, operation_id).sync(client=client, body=models.PredictRequest(instances=rows))
            for operation_id in ("predict_model", "predict")
        ]

    sent = {"instances": [row.to_dict() for row in rows]}
    answer = httpx.post(f"{url}/models/people/predict", json=sent).json()
    assert [reply.to_dict() for reply in replies] == [answer, answer]
    assert [type(label) for label in replies[0].labels] == [models.Label] * 2
    assert replies[0].unknown == [["city"], []]


def test_the_models_of_datamodel_code_generator_take_the_answers(
    folder: Path, client: httpx.Client, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(
        *(
            sys.executable,
            "-W",
            "error",
            "-m",
            "datamodel_code_generator",
            "--formatters",
            "builtin",
            "--use-annotated",
        ),
        *("--input", "openapi.json", "--input-file-type", "openapi", "--output", "softmaxd_models.py"),
        *("--output-model-type", "pydantic_v2.BaseModel", "--target-python-version", "3.11"),
        folder=folder,
    )
    monkeypatch.syspath_prepend(folder)
    models = importlib.import_module("softmaxd_models")

    for path, request, reply, body in (
        ("/softmax", models.SoftmaxRequest, models.SoftmaxReply, VECTOR),
        ("/predict", models.PredictRequest, models.PredictReply, ROWS),
        (INFER, models.V2InferRequest, models.V2InferReply, TENSOR),
    ):
        sent = request.model_validate(body).model_dump_json(exclude_unset=True)
        received = client.post(path, content=sent, headers={"Content-Type": "application/json"})
        parsed = reply.model_validate_json(received.content, strict=True)
        assert parsed.model_dump(mode="json", exclude_unset=True) == received.json(), path
    listed = models.ModelList.model_validate(answers["list_models"])

    assert listed.model_dump(mode="json", exclude_unset=True) == answers["list_models"]


def test_the_types_of_openapi_typescript_compile_and_the_client_calls_the_service(
    folder: Path, base_url: str, answers: Answers
) -> None:
    if shutil.which("npm") is None:
        skip_outside_ci("npm is needed to generate a client in TypeScript")
    project = folder / "typescript"
    shutil.copytree(TYPESCRIPT, project)
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", folder=project)
    programs = project / "node_modules" / ".bin"

    for document, types in (("openapi", "schema"), ("blobs", "blobs")):
        run(programs / "openapi-typescript", f"../{document}.json", "--output", f"{types}.ts", folder=project)
    run(programs / "tsc", folder=project)
    printed = json.loads(run("node", "built/client.js", base_url, folder=project))

    predicted = answers["predict"]
    assert printed == {
        "softmax": answers["softmax"]["probabilities"],
        "predict": [predicted["labels"], predicted["probabilities"], predicted["logits"]],
        "infer": answers["v2_infer"]["outputs"][0]["data"],
        "typed": predicted["labels"],
        "models": [f"{each['name']} {each['version']} {each['state']}" for each in answers["list_models"]["models"]],
        "refused": answers["refused"],
    }
