"""The profile `observability`, with Debian's Prometheus in the place of the image, and the commands of its pages."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.docker import COMMAND_SECONDS, FREE_PORT, Deployment, docker
from tests.support.paths import MODELS
from tests.support.prometheus import need
from tests.support.runbooks import commands
from tests.support.waiting import until

PROFILE = ("--profile", "observability")
ADDRESS = "http://127.0.0.1:8000"  # in the pages
DOCKERFILE = """
FROM python:3.11-slim-bookworm
COPY prometheus /bin/prometheus
RUN mkdir /prometheus && chown nobody:nogroup /prometheus
USER nobody
ENTRYPOINT ["/bin/prometheus"]
"""  # as that of https://github.com/prometheus/prometheus
PROMETHEUS = "  prometheus:\n    image: {}\n    ports: !override ['127.0.0.1::9090']\n"


@pytest.fixture(scope="module")
def prometheus(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the Prometheus that compose starts beside the service."""
    need("prometheus")
    name, folder = f"{image}-prometheus", tmp_path_factory.mktemp("prometheus")
    override = tmp_path_factory.mktemp("observed") / "override.yml"
    shutil.copy(shutil.which("prometheus") or "", folder / "prometheus")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    docker("build", "--quiet", "--tag", name, str(folder))
    deployment = Deployment(f"{image}-observed", override, FREE_PORT)
    override.write_text(override.read_text() + PROMETHEUS.format(name))
    try:
        deployment.up("prometheus", "softmaxd")
        yield "http://" + deployment.compose(*PROFILE, "port", "prometheus", "9090").strip()
    finally:
        deployment.compose(*PROFILE, "down", "--volumes", "--timeout", "1")
        docker("image", "rm", name)


def test_prometheus_finds_the_service_and_has_the_rules_and_the_pages(prometheus: str) -> None:
    def sees_the_service() -> bool:
        found = httpx.get(prometheus + "/api/v1/query", params={"query": "up"}).json()["data"]["result"]
        return [(sample["metric"]["job"], sample["value"][1]) for sample in found] == [("softmaxd", "1")]

    until(sees_the_service)

    groups = httpx.get(prometheus + "/api/v1/rules").json()["data"]["groups"]
    assert "SoftmaxdDown" in [rule["name"] for group in groups for rule in group["rules"]]
    assert httpx.get(prometheus + "/user/SoftmaxdDown.md").text.startswith("# SoftmaxdDown\n")


def test_no_page_of_another_site_reads_the_metrics(prometheus: str) -> None:
    found = httpx.get(prometheus + "/api/v1/query", params={"query": "up"}, headers={"Origin": "http://other.example"})

    assert "access-control-allow-origin" not in found.headers


@pytest.mark.parametrize("script", commands().values(), ids=list(commands()))
def test_the_commands_of_a_page_run(deployment: Deployment, tmp_path: Path, script: str) -> None:
    shutil.copytree(MODELS, tmp_path / "models")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    result = subprocess.run(
        ["bash", "-ex"],
        input=script.replace(ADDRESS, deployment.url),
        cwd=tmp_path,
        env={**os.environ, **deployment.environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    if "restart" in script:
        deployment.up()  # which waits until it is ready

    assert result.returncode == 0, result.stdout + result.stderr
