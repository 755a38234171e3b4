"""A swarm of three machines with the stack of deploy/swarm: two replicas, and an edge on the second machine."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.docker import NAME, Deployment, docker
from tests.support.edge import make_certificate
from tests.support.machines import Machine, Switch, form_swarm, load_images
from tests.support.onnx_models import linear, publish
from tests.support.skipping import skip_outside_ci
from tests.support.swarm import BIASES, Stack, build_on

MACHINES = 3
HAPROXY = ("RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends haproxy", "USER 99:99")


@pytest.fixture(scope="session", autouse=True)
def _machines_can_be_made() -> None:
    missing = [tool for tool in ("dockerd", "ip", "nsenter", "unshare") if shutil.which(tool) is None]
    if os.geteuid() != 0 or missing:
        skip_outside_ci(f"a swarm on one machine needs root, dockerd, ip, nsenter and unshare; missing: {missing}")


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Tags of images: the versions of the model, `never`, which never gets ready, and Debian's HAProxy."""
    folder = tmp_path_factory.mktemp("images")
    Deployment(NAME, folder / "override.yml").compose("build", "--quiet")
    images = {name: f"{NAME}:{name}" for name in (*BIASES, "never")} | {"haproxy": f"{NAME}:haproxy"}
    for version, bias in BIASES.items():  # an image has all versions up to its own
        publish(folder / "models", int(version), linear(bias).SerializeToString())
        build_on(NAME, images[version], folder, "COPY models /srv/models")
    build_on(images["1"], images["never"], folder, "ENV SOFTMAXD_DEFAULT_MODEL=linear/9")
    build_on(
        "python:3.13-slim-bookworm",
        images["haproxy"],
        folder,
        *HAPROXY,
        'CMD ["haproxy", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]',
    )
    yield images
    docker("image", "rm", NAME, *images.values())


@pytest.fixture(scope="session")
def machines(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Machine]]:
    """Three managers; the first one leads the swarm."""
    folder = tmp_path_factory.mktemp("machines")
    switch = Switch()
    machines = [Machine(f"n{i}", switch.address(i), folder / f"n{i}", switch) for i in range(1, MACHINES + 1)]
    try:
        for machine in machines:
            machine.wait()
        form_swarm(machines)
        load_images(machines, folder / "images.tar", *images.values())
        yield machines
    finally:
        for machine in machines:
            machine.stop()
        switch.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = make_certificate(folder)
    (folder / "edge.pem").write_text(certificate.read_text() + key.read_text())
    return certificate


@pytest.fixture(scope="session")
def stack(
    machines: list[Machine], images: dict[str, str], certificate: Path, tmp_path_factory: pytest.TempPathFactory
) -> Stack:
    """Two replicas of version 1, deployed from the second machine, where the edge is."""
    manager = machines[1]
    manager.docker("node", "update", "--label-add", "edge=true", manager.name)
    environment = {
        "EDGE_CERTIFICATES": str(certificate.parent),
        "EDGE_IMAGE": images["haproxy"],
        "EDGE_REQUESTS_IN_10_S": "10000000",
        "START_PERIOD": "20s",
    }
    stack = Stack(manager, environment, tmp_path_factory.mktemp("stack") / "stack.yml")
    stack.deploy(images["1"], replicas=2)
    stack.wait_for_replicas(2, manager)
    return stack
