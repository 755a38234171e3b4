"""Fixtures of a real server: one that the tests start on a free port, or the one at BASE_URL."""

import contextlib
import os
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, settings

from tests.support.forking import IS_SUPPORTED
from tests.support.paths import MODELS
from tests.support.server import Server, StartServer

# How long an example takes depends on the machine, so no limit is set. CI draws the same examples each time.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if "CI" in os.environ else "dev")


@pytest.fixture
def start_server(request: pytest.FixtureRequest) -> Iterator[StartServer]:
    """Start servers with options and settings of the test's own; they are stopped after it."""
    with starting(request) as start:
        yield start


@pytest.fixture(scope="module")
def start_shared_server(request: pytest.FixtureRequest) -> Iterator[StartServer]:
    """Start servers for several tests of a module; they are stopped after its last one."""
    with starting(request) as start:
        yield start


@contextlib.contextmanager
def starting(request: pytest.FixtureRequest) -> Iterator[StartServer]:
    """Give a function that starts servers: forked ones, unless the test or its module has the mark `anew`."""
    servers: list[Server] = []
    forked = IS_SUPPORTED and request.node.get_closest_marker("anew") is None

    def start(*options: str, traced: bool = True, **settings: str) -> Server:
        environment = {f"SOFTMAXD_{name.upper()}": value for name, value in settings.items()}
        servers.append(Server(*options, environment=environment, traced=traced, forked=forked))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def base_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the service under test is: at BASE_URL, or started here with the committed models, in a chosen lane."""
    if "BASE_URL" in os.environ:
        yield os.environ["BASE_URL"]
        return
    express = getattr(request, "param", "on")
    environment = {"SOFTMAXD_MODELS_DIR": str(MODELS), "SOFTMAXD_EXPRESS": express}
    server = Server(environment=environment, forked=False)
    yield server.url
    assert server.stop() == 0
    assert not [line for line in server.messages() if line["level"] in {"ERROR", "CRITICAL"}]


@pytest.fixture(scope="session")
def client(base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, timeout=30) as client:
        yield client


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name packed bytes by their argument: some hold a time, and all processes must find tests of the same names."""
    return argname if isinstance(val, bytes) and (b"\0" in val or not val.isascii()) else None
