"""Nothing leaves the machine: in a network of their own, the service and the commands send no packet outside."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.isolation import NAME_SERVER, destinations
from tests.support.skipping import skip_outside_ci

CALLS = """
import socket
for family, address in ((socket.AF_INET, "203.0.113.5"), (socket.AF_INET6, "2001:db8:1::5")):
    with socket.socket(family) as connection:
        connection.settimeout(0.1)
        connection.connect_ex((address, 443))
try:
    socket.getaddrinfo("example.com", 443)
except OSError as error:
    print(error)
"""


@pytest.fixture(scope="module", autouse=True)
def _a_network_of_its_own_can_be_made() -> None:
    missing = [tool for tool in ("ip", "unshare") if shutil.which(tool) is None]
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun") or missing:
        skip_outside_ci(f"a network of its own needs root, /dev/net/tun, ip and unshare; missing: {missing}")


def test_a_program_that_calls_outside_is_caught() -> None:
    code, found, _ = destinations(sys.executable, "-c", CALLS)

    assert code == 0
    assert set(found) == {"203.0.113.5", "2001:db8:1::5", NAME_SERVER}


def test_serving_models_and_training_on_local_files_send_no_packet_outside(tmp_path: Path) -> None:
    code, found, output = destinations(sys.executable, "-m", "tests.support.offline", str(tmp_path))

    assert code == 0, output
    assert found == []
