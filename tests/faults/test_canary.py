"""Other versions take part in the requests to a model, while it answers, and harm no answer."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from math import sqrt
from pathlib import Path
from typing import Any

import httpx
import pytest

from softmaxd.cli.main import main
from tests.support.clients import CLIENTS, Clients
from tests.support.metrics import metric
from tests.support.onnx_models import boxing, linear, looping, publish
from tests.support.server import Server, StartServer
from tests.support.waiting import until

ROW = [0.25, -0.5]
PREDICT = "/models/linear/predict"
LANES = ["on", "off"]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with version 1, which is pinned, and 2, which has the same labels for `ROW` with other probabilities."""
    publish(tmp_path, 1, linear().SerializeToString())
    publish(tmp_path, 2, linear((1.0, 0.0, 0.0)).SerializeToString())
    command(tmp_path, "pin", "1")
    return tmp_path


def command(models: Path, action: str, *arguments: str) -> None:
    assert main(["models", action, "linear", *arguments, "--models-dir", str(models)]) == 0


def parts(server: Server) -> dict[str, tuple[float, bool]]:
    """Return the share of each version, and if it is a shadow."""
    listed = httpx.get(server.url + "/models").json()["models"]
    return {model["version"]: (model["share"], model["shadow"]) for model in listed}


def await_parts(server: Server, expected: dict[str, tuple[float, bool]], workers: int = 1) -> None:
    """Wait until all workers have this route."""
    for _ in range(10 * workers if workers > 1 else 1):
        until(lambda: parts(server) == expected)


def versions(server: Server, path: str, body: Any, ids: range) -> list[str]:
    """Return the version that the answer to each id names, in its body or its header."""
    with httpx.Client(base_url=server.url) as client:
        found = []
        for number in ids:
            response = client.post(path, json=body, headers={"X-Request-ID": f"seeded-{number}"})
            assert response.status_code == 200, response.text
            answer = response.json()
            named = response.headers.get("x-model-version")
            found.append(named or answer.get("version") or answer["model_version"])
    return found


TENSOR = {"name": "features", "shape": [1, 2], "datatype": "FP32", "data": ROW}
PATHS: dict[str, Any] = {
    "/predict": {"instances": [ROW]},
    PREDICT: {"instances": [ROW]},
    "/v1/models/linear:predict": {"instances": [ROW]},
    "/v1/models/linear:classify": {"examples": [{"x1": 0.25, "x2": -0.5}]},
    "/v2/models/linear/infer": {"inputs": [TENSOR]},
}


@pytest.mark.parametrize("lane", LANES)
def test_an_id_gets_the_same_version_in_every_protocol_and_lane_and_each_answer_names_it(
    start_server: StartServer, models: Path, lane: str
) -> None:
    command(models, "route", "--to", "2=30%")
    server = start_server(models_dir=str(models), express=lane)
    ids = range(40)

    found = {path: versions(server, path, body, ids) for path, body in PATHS.items()}

    assert len({tuple(each) for each in found.values()}) == 1
    assert found["/predict"].count("2") == 11  # in both lanes
    assert set(versions(server, "/models/linear/versions/1/predict", {"instances": [ROW]}, ids)) == {"1"}
    assert httpx.get(server.url + "/models/linear").json()["share"] == 0.7
    assert metric(server.url, "softmaxd_model_share", version="2") == 0.3
    assert metric(server.url, "softmaxd_requests_total", version="2", status="200") == 11 * len(PATHS)


class Load(Clients):
    """Clients that ask without ids of their own, and count the versions that answer."""

    def __init__(self, server: Server) -> None:
        self.answered: Counter[str] = Counter()
        super().__init__(server, PREDICT, {"instances": [ROW]}, self._count)

    def _count(self, answer: dict[str, Any]) -> None:
        self.answered[answer["version"]] += 1

    def share_of_2(self, requests: int) -> tuple[float, int]:
        """Return the share of version 2 in at least so many answers from now on, and their number."""
        before = self.answered.copy()
        until(lambda: self.answered.total() >= before.total() + requests or bool(self.wrong))
        now = self.answered - before
        return now["2"] / now.total(), now.total()


def test_a_canary_is_raised_and_rolled_back_under_load_without_a_failure(
    start_server: StartServer, models: Path
) -> None:
    server = start_server(traced=False, models_dir=str(models), reload_interval="0.05", workers="2")
    with Load(server) as load:
        for share in (0.1, 0.5, 1.0):
            command(models, "route", "--to", f"2={100 * share:g}%")
            await_parts(server, {"1": (round(1 - share, 4), False), "2": (share, False)}, workers=2)
            part, number = load.share_of_2(400)
            # the answers of the moment before may still be counted
            assert abs(part - share) <= 5 * sqrt(share * (1 - share) / number) + 2 * CLIENTS / number, share
        command(models, "route", "--off")
        await_parts(server, {"1": (1.0, False), "2": (0.0, False)}, workers=2)
        part, number = load.share_of_2(400)
        assert part <= 2 * CLIENTS / number

    assert load.wrong == []
    counted = {"status": "200", "model": "linear"}  # those of the other worker may be a second old
    until(lambda: metric(server.url, "softmaxd_requests_total", **counted) == load.answered.total())


@pytest.mark.parametrize("lane", LANES)
def test_a_shadow_compares_and_does_not_answer(start_server: StartServer, models: Path, lane: str) -> None:
    command(models, "route", "--shadow", "2")
    server = start_server(models_dir=str(models), express=lane)
    rows = [ROW, [0.5, 0.5], [0.0, 0.4]]  # the last two get another label by version 2

    for _ in range(3):
        answer = httpx.post(server.url + "/predict", json={"instances": rows}).json()
        assert answer["version"] == "1"

    labels = {"model": "linear", "version": "1", "shadow": "2"}
    until(lambda: metric(server.url, "softmaxd_shadow_rows_total", **labels) == 9)
    shadow = httpx.post(server.url + "/models/linear/versions/2/predict", json={"instances": rows}).json()
    differing = [one != other for one, other in zip(answer["labels"], shadow["labels"], strict=True)]
    pairs = zip(answer["probabilities"], shadow["probabilities"], strict=True)
    largest = [max(abs(a - b) for a, b in zip(one, other, strict=True)) for one, other in pairs]
    assert sum(differing) > 0
    assert metric(server.url, "softmaxd_shadow_disagreements_total", **labels) == 3 * sum(differing)
    assert metric(server.url, "softmaxd_shadow_difference_sum", **labels) == pytest.approx(3 * sum(largest), rel=1e-5)
    assert metric(server.url, "softmaxd_shadow_dropped_requests_total", **labels) == 0
    assert metric(server.url, "softmaxd_requests_total", version="2", operation="/predict") == 0
    assert parts(server) == {"1": (1.0, False), "2": (0.0, True)}


def test_a_shadow_that_hangs_costs_no_answer_and_is_turned_off(start_server: StartServer, models: Path) -> None:
    publish(models, 3, looping().SerializeToString())
    command(models, "route", "--shadow", "3")
    server = start_server(models_dir=str(models), run_timeout="0.5", reload_interval="0.05")
    hanging = {"instances": [[1e15, 0.0]]}  # turns of a loop in version 3

    first = httpx.post(server.url + PREDICT, json=hanging)
    answers = [httpx.post(server.url + PREDICT, json={"instances": [ROW]}) for _ in range(20)]
    labels = {"shadow": "3", "reason": "failed"}
    until(lambda: metric(server.url, "softmaxd_shadow_dropped_requests_total", **labels) >= 1)
    after = httpx.post(server.url + PREDICT, json={"instances": [ROW]})
    command(models, "route", "--off")
    await_parts(server, {"1": (1.0, False), "2": (0.0, False), "3": (0.0, False)})

    assert {(each.status_code, each.json()["version"]) for each in (first, *answers, after)} == {(200, "1")}
    assert any("version 3 as a shadow: a run took too long" in line for line in server.lines)


def test_a_shadow_that_cannot_be_stopped_does_not_end_the_process(start_server: StartServer, models: Path) -> None:
    publish(models, 3, boxing().SerializeToString())
    command(models, "route", "--shadow", "3")
    server = start_server(models_dir=str(models), run_timeout="0.5")
    hanging = {"instances": [[200_000, 0.0]]}  # boxes of version 3: about a minute of one kernel
    dropped = {"shadow": "3", "reason": "failed"}

    with ThreadPoolExecutor(12) as pool:
        posts = [pool.submit(httpx.post, server.url + PREDICT, json=hanging) for _ in range(12)]
    until(lambda: metric(server.url, "softmaxd_shadow_dropped_requests_total", **dropped) == 12)
    again = httpx.post(server.url + PREDICT, json={"instances": [ROW]})

    assert {post.result().json()["version"] for post in posts} == {"1"}
    assert again.json()["version"] == "1"
    assert server.process.poll() is None


def test_a_version_that_vanishes_gives_its_share_back(start_server: StartServer, models: Path) -> None:
    command(models, "route", "--to", "2=100%")
    server = start_server(models_dir=str(models), reload_interval="0.05")
    before = versions(server, PREDICT, {"instances": [ROW]}, range(5))

    (models / "linear" / "2").rename(models / ".gone")
    until(lambda: parts(server) == {"1": (1.0, False)})

    assert (set(before), set(versions(server, PREDICT, {"instances": [ROW]}, range(5)))) == ({"2"}, {"1"})
    problem = "Version 2 of linear should answer 100% of its requests, but there is no such version"
    assert httpx.get(server.url + "/models").json()["problems"] == [problem]
