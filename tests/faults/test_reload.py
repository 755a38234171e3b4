"""New versions come, old ones go, broken ones are left out: while the service answers, and without a wrong answer."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from onnx import TensorProto, helper

from softmaxd.cli.main import main
from softmaxd.models.engine import Engine
from tests.support.clients import Clients
from tests.support.onnx_models import classifier, endless, linear, publish
from tests.support.server import Server, StartServer
from tests.support.waiting import until

ROW = [0.25, -0.5]
BODY = {"instances": [ROW], "include": ["logits"]}
SWAPS_UNDER_LOAD = 100
SWAPS = 1000
FILES = 10  # that the many swaps go round
MAX_GROWTH = 20 * 2**20


@pytest.fixture
def models(tmp_path: Path) -> Path:
    publish(tmp_path, 1, linear().SerializeToString())
    return tmp_path


def states(server: Server) -> dict[str, tuple[str, str]]:
    """Return state and reason of each version."""
    listed = httpx.get(server.url + "/models").json()["models"]
    return {model["version"]: (model["state"], model["reason"]) for model in listed}


def version_now(server: Server) -> str:
    response = httpx.post(server.url + "/models/linear/predict", json=BODY)
    return str(response.json()["version"])


def golden(folder: Path) -> bytes:
    """Return the logits of the row, as the file gives them."""
    logits = Engine(folder / "model.onnx", device="cpu").run(np.array([ROW], dtype=np.float32))["logits"]
    return logits.tobytes()


class Load(Clients):
    """Clients that remember each answer's version and logits."""

    def __init__(self, server: Server) -> None:
        self.answers: set[tuple[str, bytes]] = set()
        self.count = itertools.count()
        super().__init__(server, "/models/linear/predict", BODY, self._remember)

    def _remember(self, answer: dict[str, Any]) -> None:
        next(self.count)
        self.answers.add((answer["version"], np.array(answer["logits"], dtype=np.float32).tobytes()))


@pytest.fixture
def server(start_server: StartServer, models: Path) -> Server:
    return start_server(models_dir=str(models), reload_interval="0.02")


@pytest.fixture
def untraced(start_server: StartServer, models: Path) -> Server:
    """A server for many swaps and requests, without the measurement of coverage."""
    return start_server(traced=False, models_dir=str(models), reload_interval="0.02")


def test_each_of_100_swaps_under_load_is_answered_right(untraced: Server, models: Path) -> None:
    expected = {("1", golden(models / "linear" / "1"))}
    with Load(untraced) as load:
        for number in range(2, SWAPS_UNDER_LOAD + 2):
            folder = publish(models, number, linear((float(number % FILES), 0.0, 0.0)).SerializeToString())
            expected.add((str(number), golden(folder)))
            until(lambda number=number: version_now(untraced) == str(number))  # type: ignore[misc]
            if number > 3:
                shutil.rmtree(models / "linear" / str(number - 2))

    assert load.wrong == []
    assert load.answers <= expected
    assert len(load.answers) > SWAPS_UNDER_LOAD / 2
    assert next(load.count) > SWAPS_UNDER_LOAD


def test_a_thousand_swaps_leave_no_memory_behind(untraced: Server, models: Path) -> None:
    contents = [linear((float(number), 0.0, 0.0)).SerializeToString() for number in range(FILES)]

    def swap(numbers: range) -> None:
        with httpx.Client(base_url=untraced.url) as client:
            for number in numbers:
                publish(models, number, contents[number % FILES])
                until(
                    lambda number=number: (  # type: ignore[misc]
                        client.post("/models/linear/predict", json=BODY).json()["version"] == str(number)
                    )
                )
                shutil.rmtree(models / "linear" / str(number - 1))

    swap(range(2, 52))
    before = resident_bytes(untraced)
    swap(range(52, 52 + SWAPS))

    assert resident_bytes(untraced) - before < MAX_GROWTH


def resident_bytes(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def test_a_deleted_version_is_retired_and_the_last_one_takes_the_model_along(server: Server, models: Path) -> None:
    publish(models, 2, linear((1.0, 0.0, 0.0)).SerializeToString())
    until(lambda: version_now(server) == "2")

    shutil.rmtree(models / "linear" / "2")
    until(lambda: version_now(server) == "1")
    gone = httpx.post(server.url + "/models/linear/versions/2/predict", json=BODY)
    shutil.rmtree(models / "linear")
    until(lambda: httpx.get(server.url + "/readyz").status_code == 503)

    assert gone.status_code == 404
    assert httpx.post(server.url + "/models/linear/predict", json=BODY).status_code == 404
    publish(models, 3, linear().SerializeToString())
    until(lambda: httpx.get(server.url + "/readyz").status_code == 200)


def test_a_version_that_is_written_again_is_loaded_again(server: Server, models: Path) -> None:
    shutil.rmtree(models / "linear" / "1")
    folder = publish(models, 1, linear((7.0, 0.0, 0.0)).SerializeToString())

    until(lambda: logits_now(server) == golden(folder))


def logits_now(server: Server) -> bytes:
    answer = httpx.post(server.url + "/models/linear/predict", json=BODY).json()
    return np.array(answer.get("logits", []), dtype=np.float32).tobytes()


def test_each_worker_follows(start_server: StartServer, models: Path) -> None:
    server = start_server(models_dir=str(models), reload_interval="0.05", workers="2")
    publish(models, 2, linear((1.0, 0.0, 0.0)).SerializeToString())

    until(lambda: {version_now(server) for _ in range(20)} == {"2"})


def test_every_protocol_and_worker_follows_a_pin(start_server: StartServer, models: Path) -> None:
    publish(models, 2, linear((1.0, 0.0, 0.0)).SerializeToString())
    server = start_server(models_dir=str(models), reload_interval="0.05", workers="2")
    folder = ["--models-dir", str(models)]
    highest = {versions_of(server) for _ in range(20)}

    assert main(["models", "pin", "linear", "1", *folder]) == 0
    until(lambda: {versions_of(server) for _ in range(20)} == {("1",) * 4})
    pinned = {model["version"]: model["pinned"] for model in httpx.get(server.url + "/models").json()["models"]}
    shutil.rmtree(models / "linear" / "1")
    until(lambda: {versions_of(server) for _ in range(20)} == {("2",) * 4})

    assert highest == {("2",) * 4}
    assert pinned == {"1": True, "2": False}
    problem = "Version 1 of linear is pinned, but there is no such version; version 2 answers"
    assert httpx.get(server.url + "/models").json()["problems"] == [problem]
    until(lambda: sum(problem in line for line in server.lines) == 2)  # one of each worker


def versions_of(server: Server) -> tuple[str, ...]:
    """Return the versions that answer for the name of the model: by default, natively, in `/v1` and in `/v2`."""
    native = [httpx.post(server.url + path, json=BODY).json() for path in ("/predict", "/models/linear/predict")]
    body = {"signature_name": "logits", "instances": [ROW]}
    (row,) = httpx.post(server.url + "/v1/models/linear:predict", json=body).json()["predictions"]
    tensor = {"name": "features", "shape": [1, 2], "datatype": "FP32", "data": ROW}
    outputs = httpx.post(server.url + "/v2/models/linear/infer", json={"inputs": [tensor]}).json()
    return (*(answer["version"] for answer in native), {0.75: "1", 1.75: "2"}[row[0]], outputs["model_version"])


def broken(good: bytes) -> Iterator[tuple[str, bytes, str]]:
    """Yield files that must not be served: their name, content, and a word of the reason."""
    value = helper.make_tensor_value_info
    yield "empty", b"", "No graph was found"
    yield "truncated", good[:-20], "not an ONNX file"
    yield "garbage", b"\xff\x13garbage" * 100, "not an ONNX file"
    yield "text", b"model.onnx", "not an ONNX file"
    yield "endless varint", b"\x3a" + b"\xff" * 40, "not an ONNX file"
    yield "half of it zeroed", good[: len(good) // 2] + bytes(len(good) - len(good) // 2), "not an ONNX file"
    wide = linear()
    wide.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 3
    yield "another input width", wide.SerializeToString(), "ONNX Runtime cannot load it"
    double = linear()
    double.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    yield "another input type", double.SerializeToString(), "ONNX Runtime cannot load it"
    fixed = linear()
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    yield "a fixed number of rows", fixed.SerializeToString(), "features should be tensor(float) [n, 2]"
    without = linear()
    del without.graph.output[1]
    yield "no probabilities", without.SerializeToString(), "probabilities should be"
    external = linear()
    external.graph.initializer[0].ClearField("raw_data")
    external.graph.initializer[0].data_location = TensorProto.EXTERNAL
    entry = external.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "/etc/hostname"
    yield "weights in another file", external.SerializeToString(), "external data"
    inner = helper.make_graph(
        [helper.make_node("Identity", ["features"], ["inner"])],
        "inner",
        [],
        [value("inner", TensorProto.FLOAT, None)],
        [external.graph.initializer[0]],
    )
    nested = classifier(
        [
            helper.make_node("If", ["yes"], ["logits"], then_branch=inner, else_branch=inner),
        ],
        {"yes": np.array(True)},
    )
    yield "weights of an inner graph in another file", nested.SerializeToString(), "external data"
    custom = linear()
    custom.graph.node[0].domain = "evil.example"
    custom.opset_import.append(helper.make_opsetid("evil.example", 1))
    yield "a custom operator", custom.SerializeToString(), "'evil.example'"
    unknown = linear()
    unknown.graph.node[0].op_type = "NoSuchOperator"
    yield "an unknown operator", unknown.SerializeToString(), "ONNX Runtime cannot load it"
    newer = linear()
    newer.opset_import[0].version = 999
    yield "an opset of the future", newer.SerializeToString(), "ONNX Runtime cannot load it"


BROKEN = list(broken(linear().SerializeToString()))


def test_broken_versions_are_rejected_with_their_reasons_while_the_old_one_serves(server: Server, models: Path) -> None:
    assert len(BROKEN) >= 12
    for number, (_, content, _) in enumerate(BROKEN, 2):
        publish(models, number, content)
    last = len(BROKEN) + 1
    publish(models, last + 1, linear((1.0, 2.0, 3.0)).SerializeToString(), digest="0" * 64)
    with (publish(models, last + 2, b"") / "model.onnx").open("r+b") as file:
        file.truncate(600 * 2**20)
    with Load(server) as load:
        until(lambda: {*(state for state, _ in states(server).values())} == {"ready", "rejected"})
        until(lambda: len(states(server)) == last + 2)

    found = states(server)
    for number, (name, _, word) in enumerate(BROKEN, 2):
        assert found[str(number)][0] == "rejected", name
        assert word in found[str(number)][1], (name, found[str(number)])
        assert str(models) not in found[str(number)][1], name
    assert "does not match its manifest" in found[str(last + 1)][1]
    assert "more than the 536870912 that a model may have" in found[str(last + 2)][1]
    assert load.wrong == []
    assert load.answers == {("1", golden(models / "linear" / "1"))}
    assert version_now(server) == "1"


def test_a_model_that_never_ends_is_rejected(start_server: StartServer, models: Path) -> None:
    server = start_server(models_dir=str(models), reload_interval="0.05", trial_cpu_seconds="3")
    publish(models, 2, endless().SerializeToString())

    until(lambda: states(server).get("2", ("", ""))[0] == "rejected")
    assert "takes more than 3 s of CPU time (trial_cpu_seconds)" in states(server)["2"][1]
    assert version_now(server) == "1"


def test_a_version_whose_files_come_one_after_the_other_is_served_once_it_is_whole(
    server: Server, models: Path
) -> None:
    whole = publish(models, 99, linear((3.0, 0.0, 0.0)).SerializeToString(), name="elsewhere")
    manifest = (
        (whole / "manifest.json").read_text().replace("elsewhere", "linear").replace('"version":99', '"version":2')
    )
    folder = models / "linear" / "2"
    folder.mkdir()
    until(lambda: states(server).get("2", ("", ""))[0] == "rejected")
    (folder / "manifest.json").write_text(manifest)
    (folder / "model.onnx").write_bytes((whole / "model.onnx").read_bytes())

    until(lambda: version_now(server) == "2")


def test_a_broken_version_beside_a_good_one_does_not_stop_the_start(start_server: StartServer, models: Path) -> None:
    publish(models, 2, b"broken")

    server = start_server(models_dir=str(models))

    assert states(server)["2"][0] == "rejected"
    assert version_now(server) == "1"


def test_nothing_is_looked_for_when_the_interval_is_0(start_server: StartServer, models: Path) -> None:
    server = start_server(models_dir=str(models), reload_interval="0")
    publish(models, 2, linear().SerializeToString())
    other = start_server(models_dir=str(models), reload_interval="0.02")
    publish(models, 3, linear().SerializeToString())
    until(lambda: version_now(other) == "3")

    assert set(states(server)) == {"1"}
