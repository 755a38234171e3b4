"""Runs the contract in both lanes, but for the examples of the documents: they run in one."""

import os

import httpx
import pytest

from softmaxd.models.engine import Engine
from tests.support.paths import MODELS

ONE_LANE = {"tests.contract.test_readme"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test of the service with the express lane on, then off; one at BASE_URL is as it is."""
    assert metafunc.module is not None
    if (
        "base_url" in metafunc.fixturenames
        and "BASE_URL" not in os.environ
        and metafunc.module.__name__ not in ONE_LANE
    ):
        metafunc.parametrize("base_url", ["on", "off"], indirect=True, scope="session", ids="express={}".format)


@pytest.fixture(scope="module")
def version(client: httpx.Client) -> str:
    """The version of the blobs classifier that answers."""
    return str(client.get("/models/blobs").json()["version"])


@pytest.fixture(scope="module")
def engine(version: str) -> Engine:
    """The committed ONNX file, without a service."""
    return Engine(MODELS / "blobs" / version / "model.onnx", device="cpu")
