"""The whole contract holds in both lanes; what a document prints is tried in one."""

import os

import pytest

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
