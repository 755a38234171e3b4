"""docker-compose.yml as it is committed: the contract holds in it, and it is locked down."""

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from softmaxd.models.manifest import MANIFEST_FILE, Manifest
from softmaxd.settings import Settings
from tests.support.docker import FREE_PORT, Deploy, Deployment, attempt, docker, inspect
from tests.support.edge import free_port, make_certificate, replicas_up
from tests.support.load import Load
from tests.support.onnx_models import hungry, linear, publish
from tests.support.paths import MODELS, REPOSITORY
from tests.support.waiting import until

THREADS = """
import threading
stop, threads = threading.Event(), []
try:
    while len(threads) < 1000:
        threads.append(threading.Thread(target=stop.wait))
        threads[-1].start()
except RuntimeError:
    print("refused")
stop.set()
"""


def test_the_contract_holds(deployment: Deployment) -> None:
    started = deployment.inspect()["State"]["StartedAt"]

    result = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/contract", "-p", "no:cacheprovider"],
        cwd=REPOSITORY,
        env={**os.environ, "BASE_URL": deployment.url},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr
    assert re.search(r"^=+ \d+ passed in ", result.stdout.splitlines()[-1])
    assert not [line for line in deployment.log() if line["level"] in {"ERROR", "CRITICAL"}]
    assert deployment.inspect()["State"]["StartedAt"] == started


def test_it_is_healthy_and_reached_from_this_machine_only(deployment: Deployment) -> None:
    container = deployment.inspect()

    assert container["State"]["Health"]["Status"] == "healthy"
    assert {binding["HostIp"] for binding in container["NetworkSettings"]["Ports"]["8000/tcp"]} == {"127.0.0.1"}


def test_no_process_is_root(deployment: Deployment) -> None:
    status = deployment.run("sh", "-c", "cat /proc/[0-9]*/status").stdout

    users = re.findall(r"^[UG]id:\t(.+)$", status, re.MULTILINE)
    assert len(users) >= 4  # of the service and of this command
    assert set(users) == {"10001\t10001\t10001\t10001"}


def test_it_has_no_capabilities_and_can_gain_none(deployment: Deployment) -> None:
    status = deployment.run("cat", "/proc/1/status").stdout

    assert set(re.findall(r"^Cap\w+:\t(\w+)$", status, re.MULTILINE)) == {"0" * 16}
    assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)


@pytest.mark.parametrize("folder", ["/", "/srv", "/srv/models", "/opt/softmaxd", "/tmp", "/var/tmp", "/home"])  # noqa: S108 - in the container
def test_nothing_can_be_written(deployment: Deployment, folder: str) -> None:
    result = deployment.run("touch", f"{folder}/file")

    assert result.returncode == 1
    assert result.stderr.endswith(": Read-only file system\n")


def test_its_processes_are_limited(deployment: Deployment) -> None:
    result = deployment.run("python", "-c", THREADS)

    assert result.stdout == "refused\n"
    assert httpx.get(deployment.url + "/readyz").status_code == 200


def test_its_memory_is_limited(deployment: Deployment) -> None:
    result = deployment.run("python", "-c", "b'1' * 2**31")

    assert result.returncode == 137  # killed
    assert httpx.get(deployment.url + "/readyz").status_code == 200


def test_it_is_started_again_unless_it_was_stopped(deployment: Deployment) -> None:
    assert deployment.inspect()["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"


def test_the_override_for_a_gpu_reserves_one_and_builds_with_its_lock() -> None:
    files = [f"--file={REPOSITORY / name}" for name in ("docker-compose.yml", "deploy/gpu/docker-compose.yml")]

    service = json.loads(docker("compose", *files, "config", "--format", "json"))["services"]["softmaxd"]

    (lock,) = service["build"]["args"].values()
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert "onnxruntime-gpu==" in (REPOSITORY / "requirements" / f"{lock}.txt").read_text()
    assert (device["driver"], device["count"], device["capabilities"]) == ("nvidia", 1, ["gpu"])
    assert service["environment"]["SOFTMAXD_DEVICE"] == "cuda"
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


def test_it_exits_with_0_when_it_is_stopped(deployment: Deployment) -> None:
    deployment.compose("stop")
    state, last = deployment.inspect()["State"], deployment.log()[-1]["message"]
    deployment.up()

    assert (state["Status"], state["ExitCode"]) == ("exited", 0)
    assert last == "stopped"


def test_a_stop_leaves_more_time_than_the_drain_takes(deployment: Deployment) -> None:
    config = deployment.inspect()["Config"]
    variables = dict(variable.split("=", 1) for variable in config["Env"])
    assert config["StopTimeout"] > float(variables["SOFTMAXD_DRAIN_DELAY"]) + Settings().drain_timeout


def test_a_minute_without_an_answer_leaves_it_healthy(deployment: Deployment) -> None:
    docker("kill", "--signal", "STOP", deployment.container)
    time.sleep(70)
    state = deployment.inspect()["State"]
    docker("kill", "--signal", "CONT", deployment.container)

    assert state["Health"]["Status"] == "healthy"
    assert state["Health"]["FailingStreak"] > 0  # it was asked
    assert httpx.get(deployment.url + "/readyz").status_code == 200


def test_its_health_check_is_1_where_nothing_answers(deployment: Deployment) -> None:
    command = ["exec", "--env", "SOFTMAXD_PORT=1", deployment.container, "softmaxd-healthcheck"]

    assert attempt(*command).returncode == 1
    assert deployment.run("softmaxd-healthcheck").stdout == "127.0.0.1 port 8000 answers 200\n"


def test_it_starts_without_a_network_and_without_a_mount(deploy: Deploy) -> None:
    deployment = deploy("network_mode: none", "ports: !reset []", "volumes: !reset []")

    health = deployment.run("softmaxd", "health")

    container = deployment.inspect()
    assert (list(container["NetworkSettings"]["Networks"]), container["Mounts"]) == (["none"], [])
    assert (health.returncode, health.stdout) == (0, "127.0.0.1 port 8000 is ready\n")


def test_it_scales_to_more_replicas_on_a_range_of_ports(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLISHED_PORTS", "18000-18009")
    deployment = deploy("environment: {SOFTMAXD_RELOAD_INTERVAL: '0'}")

    deployment.up("--scale", "softmaxd=2")

    published = {deployment.compose("port", "--index", index, "softmaxd", "8000").strip() for index in ("1", "2")}
    assert len(published) == 2
    assert [httpx.get(f"http://{address}/readyz").status_code for address in published] == [200, 200]


def test_no_request_fails_when_a_container_is_replaced_behind_the_edge(
    monkeypatch: pytest.MonkeyPatch, deploy: Deploy, edge_image: str, tmp_path: Path
) -> None:
    certificate, key = make_certificate(tmp_path)
    (tmp_path / "edge").mkdir()
    (tmp_path / "edge" / "edge.pem").write_text(certificate.read_text() + key.read_text())
    port = free_port("127.0.0.1")
    for name, value in {
        "COMPOSE_PROFILES": "edge",
        "EDGE_IMAGE": edge_image,
        "EDGE_PORT": str(port),
        "EDGE_CERTIFICATES": str(tmp_path / "edge"),
        "EDGE_REQUESTS_IN_10_S": "1000000",
        "PUBLISHED_PORTS": "18000-18009",
    }.items():
        monkeypatch.setenv(name, value)
    deployment = deploy()
    deployment.up("--scale", "softmaxd=2")
    old, *_ = deployment.compose("ps", "--quiet", "softmaxd").split()
    own = f"http://{address_of(deployment.compose('ps', '--quiet', 'edge').strip())}:8405/metrics"
    until(lambda: replicas_up(own) == 2)

    with Load(port, ssl.create_default_context(cafile=str(certificate))) as load:
        load.wait_for(500)
        deployment.up("--scale", "softmaxd=3", "--no-recreate")
        until(lambda: replicas_up(own) == 3)
        docker("stop", old)
        until(lambda: replicas_up(own) == 2)
        load.wait_for(500)

    assert load.failures == {}


def address_of(container: str) -> str:
    (network,) = inspect("inspect", container)["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


def test_the_edge_runs_only_when_its_profile_is_asked_for(deployment: Deployment) -> None:
    services = deployment.compose("config", "--services").split()
    with_edge = deployment.compose("--profile", "edge", "config", "--services").split()

    assert (services, sorted(with_edge)) == (["softmaxd"], ["edge", "softmaxd"])


def test_a_new_version_is_served_after_a_restart(deploy: Deploy, tmp_path: Path) -> None:
    shutil.copytree(MODELS, tmp_path / "models")
    deployment = deploy(FREE_PORT, root=tmp_path)
    before = deployment.inspect()
    old = httpx.get(deployment.url + "/models/blobs").json()["version"]

    new = publish_again(tmp_path / "models" / "blobs", int(old))
    deployment.compose("restart")
    deployment.up()

    after = deployment.inspect()
    assert httpx.get(deployment.url + "/models/blobs").json()["version"] == str(new)
    assert (after["Id"], after["Image"]) == (before["Id"], before["Image"])


def test_a_trial_that_takes_all_memory_ends_alone(deploy: Deploy, tmp_path: Path) -> None:
    publish(tmp_path / "models", 1, linear().SerializeToString())
    deployment = deploy(FREE_PORT, root=tmp_path)
    started = deployment.inspect()["State"]["StartedAt"]

    publish(tmp_path / "models", 2, hungry(megabytes=1500).SerializeToString())
    killed = "its trial was killed, most likely because the machine had no memory left; it is tried again"
    until(lambda: state_of(deployment, "2") == ("rejected", killed))

    assert state_of(deployment, "1")[0] == "ready"
    assert deployment.inspect()["State"]["StartedAt"] == started


def state_of(deployment: Deployment, version: str) -> tuple[str, str]:
    """Return state and reason of a version, or empty texts before it is found."""
    listed = httpx.get(deployment.url + "/models").json()["models"]
    return next(((each["state"], each["reason"]) for each in listed if each["version"] == version), ("", ""))


def publish_again(folder: Path, version: int) -> int:
    """Copy a version as the next one, and return its number."""
    new = version + 1
    shutil.copytree(folder / str(version), folder / str(new))
    file = folder / str(new) / MANIFEST_FILE
    manifest = Manifest.model_validate_json(file.read_bytes())
    file.write_text(manifest.model_copy(update={"version": new}).model_dump_json())
    return new
