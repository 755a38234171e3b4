"""Fixtures of the image, and of docker-compose.yml that runs it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.docker import FREE_PORT, NAME, PORT, Deploy, Deployment, docker, is_free
from tests.support.edge import make_image
from tests.support.paths import REPOSITORY


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The tag of the image, as compose builds it."""
    Deployment(NAME, tmp_path_factory.mktemp("image") / "override.yml").compose("build", "--quiet")
    yield NAME
    docker("image", "rm", NAME)


@pytest.fixture(scope="session")
def edge_image() -> Iterator[str]:
    """The tag of an image of HAProxy, for the variable EDGE_IMAGE of docker-compose.yml."""
    tag = f"{NAME}-edge"
    make_image(tag)
    yield tag
    docker("image", "rm", tag)


@pytest.fixture(scope="session")
def deployment(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """docker-compose.yml as it is, but for the tag of the image, and for its port when somebody else has it."""
    override = tmp_path_factory.mktemp("deployment") / "override.yml"
    deployment = Deployment(image, override, *([] if is_free(PORT) else [FREE_PORT]))
    try:
        deployment.up()
        yield deployment
    finally:
        deployment.down()


@pytest.fixture
def deploy(image: str, tmp_path: Path) -> Iterator[Deploy]:
    """Start a deployment with changes of the test's own; it is removed after it."""
    deployments: list[Deployment] = []

    def start(*changes: str, root: Path = REPOSITORY) -> Deployment:
        deployments.append(Deployment(f"{image}-changed", tmp_path / "override.yml", *changes, root=root))
        deployments[-1].up()
        return deployments[-1]

    yield start
    for deployment in deployments:
        deployment.down()
