"""A start that cannot succeed says why in one line, and never in a traceback."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import onnx
import pytest
from onnx import TensorProto, helper

from softmaxd.cli.main import main
from softmaxd.models.files import sha256
from softmaxd.models.manifest import MANIFEST_FILE, MODEL_FILE, Manifest
from tests.support.command import softmaxd
from tests.support.metrics import metric
from tests.support.paths import MODELS
from tests.support.server import Server, StartServer
from tests.support.waiting import SECONDS, until

pytestmark = pytest.mark.anew
Command = Callable[..., tuple[int, str, str]]  # returns exit code, standard output and standard error


MISSING = "softmaxd: /nowhere is not a folder; set the folder of models with --models-dir\n"


def one_line(text: str) -> str:
    """Return the last log line or message, once it is sure that there is no traceback."""
    assert "Traceback" not in text
    lines = [line for line in text.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, text
    return lines[0]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A copy of the blobs classifier that a test may break, as version 1."""
    version = max(int(folder.name) for folder in (MODELS / "blobs").iterdir())
    shutil.copytree(MODELS / "blobs" / str(version), tmp_path / "blobs" / "1")
    rewrite(tmp_path, version=1)
    return tmp_path


@pytest.fixture(scope="module")
def plain(start_shared_server: StartServer) -> Server:
    """A server with the committed models and no settings."""
    return start_shared_server()


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command that ends before it serves in this process, which saves the time of a start."""

    def run(*arguments: str, **settings: str) -> tuple[int, str, str]:
        for name, value in settings.items():
            monkeypatch.setenv(f"SOFTMAXD_{name.upper()}", value)
        try:
            code = main([*arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return run


def rewrite(models: Path, **fields: object) -> None:
    file = models / "blobs" / "1" / MANIFEST_FILE
    manifest = Manifest.model_validate_json(file.read_bytes())
    file.write_text(manifest.model_copy(update=fields).model_dump_json())


def replace_graph(models: Path, content: bytes) -> None:
    file = models / "blobs" / "1" / MODEL_FILE
    file.write_bytes(content)
    rewrite(models, sha256=sha256(file))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"prot": "1"}, "SOFTMAXD_PROT: there is no such setting"),
        ({"port": "http"}, "SOFTMAXD_PORT: "),
        ({"port": "70000"}, "SOFTMAXD_PORT: "),
        ({"device": "tpu"}, "SOFTMAXD_DEVICE: "),
        ({"max_rows": "0"}, "SOFTMAXD_MAX_ROWS: "),
        ({"drain_timeout": "inf"}, "SOFTMAXD_DRAIN_TIMEOUT: "),
    ],
)
def test_a_wrong_variable_is_named(refused: Command, settings: dict[str, str], named: str) -> None:
    code, _, error = refused("serve", **settings)

    assert code == 2
    assert one_line(error).startswith(f"softmaxd: {named}")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_variables_of_a_kubernetes_service_are_ignored_with_one_line(
    start_server: StartServer, workers: str
) -> None:
    links = {"port": "tcp://10.43.1.39:8000", "service_host": "10.43.1.39", "port_8000_tcp_addr": "10.43.1.39"}

    server = start_server(workers=workers, **links)

    assert httpx.get(server.url + "/readyz", timeout=SECONDS).status_code == 200
    assert [line["message"] for line in server.messages() if "ignored" in str(line["message"])] == [
        "ignored SOFTMAXD_PORT, SOFTMAXD_PORT_8000_TCP_ADDR, SOFTMAXD_SERVICE_HOST: "
        "Kubernetes sets them for a Service of this name"
    ]


def test_a_wrong_option_is_named() -> None:
    code, _, error = softmaxd("serve", "--threads", "none")

    assert code == 2
    assert one_line(error).startswith("softmaxd: --threads: ")


def test_an_unknown_option_is_named(refused: Command) -> None:
    code, _, error = refused("serve", "--prot", "1")

    assert code == 2
    assert error.splitlines()[-1] == "softmaxd serve: error: unknown option --prot; did you mean --port?"


def test_an_option_wins_over_its_variable(start_server: StartServer, models: Path) -> None:
    server = start_server("--models-dir", str(models), models_dir="/nowhere")

    assert httpx.get(server.url + "/models/blobs/versions/1").status_code == 200


@pytest.mark.parametrize("command", ["serve", "models list"])
def test_an_empty_name_of_the_folder_is_not_the_working_directory(refused: Command, command: str) -> None:
    code, _, error = refused(*command.split(), models_dir="")

    assert code == 2
    assert one_line(error) == "softmaxd: SOFTMAXD_MODELS_DIR: Input should not be empty"


@pytest.mark.parametrize("command", ["serve", "serve --workers 2"])
def test_a_missing_folder_of_models_is_named(command: str) -> None:
    assert softmaxd(*command.split(), models_dir="/nowhere") == (1, "", MISSING)


@pytest.mark.parametrize("command", ["models list", "models check"])
def test_every_command_names_a_missing_folder_alike(refused: Command, command: str) -> None:
    code, output, error = refused(*command.split(), models_dir="/nowhere")

    assert (code, output, error) == (1, "", MISSING)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_empty_folder_is_served_until_the_first_model_arrives(
    start_server: StartServer, tmp_path: Path, workers: str
) -> None:
    server = start_server(models_dir=str(tmp_path), workers=workers, reload_interval="0.1")
    reason = f"No model is loaded from the folder {tmp_path.name}"

    with httpx.Client(base_url=server.url, timeout=SECONDS) as client:
        assert client.post("/softmax", json={"logits": [0, 0]}).json() == {"probabilities": [0.5, 0.5]}
        for response in (client.get("/readyz"), client.post("/predict", json={"instances": [[1, 2]]})):
            assert (response.status_code, response.json()) == (503, {"detail": reason})
            assert response.headers["retry-after"] == "1"
        assert client.get("/v2/health/ready").json() == {"error": reason}
        assert client.get("/livez").status_code == 200
        assert client.get("/models").json() == {"models": [], "problems": []}
        assert client.get("/v2/models/stats").json() == {"model_stats": []}
        assert client.get("/openapi.json").status_code == 200
        assert client.get("/metrics").status_code == 200

    shutil.copytree(MODELS / "blobs", tmp_path / "blobs")

    def is_served() -> bool:  # by each worker, on connections of their own
        answers = [httpx.post(server.url + "/predict", json={"instances": [[1, 2]]}).status_code for _ in range(10)]
        return set(answers) == {200}

    until(is_served)
    assert httpx.get(server.url + "/readyz").status_code == 200


def test_a_broken_model_that_is_not_required_is_reported(start_server: StartServer, models: Path) -> None:
    replace_graph(models, b"garbage")
    shutil.copytree(MODELS / "iris", models / "iris")

    server = start_server(models_dir=str(models))

    states = {
        model["name"]: (model["state"], model["reason"]) for model in httpx.get(server.url + "/models").json()["models"]
    }
    assert states == {"blobs": ("rejected", "model.onnx is not an ONNX file, or not all of it"), "iris": ("ready", "")}
    assert metric(server.url, "softmaxd_model_info", model="blobs", state="rejected") == 1
    assert httpx.get(server.url + "/readyz").status_code == 200
    assert [line["message"] for line in server.messages() if line["level"] == "ERROR"] == [
        "rejected blobs version 1: model.onnx is not an ONNX file, or not all of it"
    ]


def test_a_required_model_that_is_not_there_stops_the_start(models: Path) -> None:
    code, _, error = softmaxd("serve", models_dir=str(models), required_models="blobs,iris")

    assert code == 1
    assert one_line(error) == f"softmaxd: {models} has blobs, but the model iris is required"


def test_a_model_that_does_not_match_its_manifest_is_not_served(models: Path) -> None:
    with (models / "blobs" / "1" / MODEL_FILE).open("ab") as file:
        file.write(b"\0")

    code, _, error = softmaxd("serve", models_dir=str(models), required_models="blobs")

    assert code == 1
    assert "model.onnx does not match its manifest: SHA-256 " in one_line(error)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x08\x09" * 1000])
def test_a_file_that_is_no_model_is_not_served(models: Path, content: bytes) -> None:
    replace_graph(models, content)

    code, _, error = softmaxd("serve", models_dir=str(models), required_models="blobs")

    assert code == 1
    assert one_line(error).startswith(f"softmaxd: {models}/blobs/1: ")


def test_a_truncated_model_is_not_served(models: Path) -> None:
    replace_graph(models, (models / "blobs" / "1" / MODEL_FILE).read_bytes()[:-100])

    code, _, error = softmaxd("serve", models_dir=str(models), required_models="blobs")

    assert code == 1
    assert one_line(error).endswith("model.onnx is not an ONNX file, or not all of it, but the model blobs is required")


def test_a_graph_of_another_shape_is_not_served(models: Path) -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Identity", ["features"], ["logits"]),
            helper.make_node("Softmax", ["features"], ["probabilities"]),
        ],
        "graph",
        [value("features", TensorProto.FLOAT, ["n", 2])],
        [value("logits", TensorProto.FLOAT, ["n", 2]), value("probabilities", TensorProto.FLOAT, ["n", 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    replace_graph(models, onnx.ModelProto.SerializeToString(model))

    code, _, error = softmaxd("serve", models_dir=str(models), required_models="blobs")

    assert code == 1
    assert "logits should be tensor(float) [n, 4], but the graph has tensor(float) ['n', 2]" in one_line(error)


@pytest.mark.parametrize("content", ["", "{}", '{"schema_version": 2}', "[1"])
def test_a_wrong_manifest_is_named(models: Path, content: str) -> None:
    (models / "blobs" / "1" / MANIFEST_FILE).write_text(content)

    code, _, error = softmaxd("serve", models_dir=str(models), required_models="blobs")

    assert code == 1
    assert one_line(error).startswith(f"softmaxd: {models}/blobs/1: manifest.json: ")


@pytest.mark.parametrize("name", [MANIFEST_FILE, MODEL_FILE])
def test_a_missing_file_is_named(models: Path, name: str) -> None:
    (models / "blobs" / "1" / name).unlink()

    code, _, error = softmaxd("serve", models_dir=str(models), required_models="blobs")

    assert code == 1
    assert one_line(error).startswith(f"softmaxd: {models}/blobs/1: No such file or directory: {name}, but the model ")


def test_a_manifest_of_another_version_is_refused(models: Path) -> None:
    rewrite(models, version=7)

    code, _, error = softmaxd("serve", models_dir=str(models), required_models="blobs")

    assert code == 1
    assert "manifest.json is of blobs version 7, but" in one_line(error)


def test_without_the_default_model_the_service_is_not_ready(start_server: StartServer, models: Path) -> None:
    server = start_server(models_dir=str(models), default_model="iris")

    ready = httpx.get(server.url + "/readyz")
    assert (ready.status_code, ready.json()) == (503, {"detail": "The default model iris is not loaded"})
    assert httpx.post(server.url + "/predict", json={"instances": [[1, 2]]}).status_code == 503
    assert httpx.post(server.url + "/models/blobs/predict", json={"instances": [[1, 2]]}).status_code == 200


def test_cuda_without_cuda_does_not_start() -> None:
    code, _, error = softmaxd("serve", device="cuda")

    assert code == 1
    assert one_line(error).endswith(
        "device is cuda, but ONNX Runtime is built without CUDA here: docs/gpu.md has the build with it; "
        "use auto or cpu"
    )


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        code, _, error = softmaxd("serve", port=str(port))

    assert code == 1
    assert one_line(error) == (
        f"softmaxd: cannot listen on 127.0.0.1 port {port}: Address already in use; "
        "choose others by --host and --port, or SOFTMAXD_HOST and SOFTMAXD_PORT"
    )


def test_it_starts_on_ipv6(start_server: StartServer) -> None:
    server = start_server("--host", "::1")

    assert server.url.startswith("http://[::1]:")
    assert httpx.get(server.url + "/readyz").status_code == 200


def test_the_log_names_the_model_and_its_provider(plain: Server) -> None:
    first = plain.messages()[0]
    provider = httpx.get(plain.url + "/models/blobs").json()["provider"]
    assert first["level"] == "INFO"
    assert str(first["message"]).endswith(f"on {provider}")
    assert first["threads"] == 1


def test_it_logs_for_people_when_asked(start_server: StartServer) -> None:
    server = start_server(log_format="console")

    assert " INFO    serving blobs version " in server.lines[0]


def test_health_is_0_when_ready(plain: Server) -> None:
    code, output, error = softmaxd("health", "--port", str(plain.port))

    assert (code, output, error) == (0, f"127.0.0.1 port {plain.port} is ready\n", "")


def test_health_is_1_when_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    code, output, error = softmaxd("health", "--port", str(port))

    assert (code, output) == (1, "")
    assert one_line(error).startswith(f"softmaxd: no answer from 127.0.0.1 port {port}: ")


@pytest.mark.parametrize(
    "command",
    [[], ["serve"], ["health"], ["models"], ["models", "add"], ["models", "list"], ["models", "check"], ["train"]],
)
def test_help_has_an_example(refused: Command, command: list[str]) -> None:
    code, output, _ = refused(*command, "--help")

    assert code == 0
    assert "example: softmaxd" in output
