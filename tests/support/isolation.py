"""A network of its own for commands, in which every packet that would leave the machine is read and kept here.

`python -m tests.support.isolation COMMAND …` runs a command in it as root, and prints the destinations of the packets.
The way out is a device whose packets come to this process. Name servers and all other addresses are behind it, and
nothing answers.
"""

import fcntl
import ipaddress
import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.paths import REPOSITORY
from tests.support.processes import untraced

NAME = "outside"
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
NAME_SERVER = "192.0.2.53"
COMMANDS = (
    "link set lo up",
    f"addr add 192.0.2.2/24 dev {NAME}",
    f"-6 addr add 2001:db8::2/64 dev {NAME} nodad",
    f"link set {NAME} up",
    f"route add default dev {NAME}",
    f"-6 route add default dev {NAME}",
)
NEIGHBOURS = ipaddress.ip_network("ff02::/16")  # the kernel itself greets them when a device is set up
MAX_PACKET = 65536


def destinations(*command: str, **environment: str) -> tuple[int, list[str], str]:
    """Run a command in such a network. Return its exit code, the destinations of its packets, and all that it wrote."""
    inside = ["unshare", "--net", "--mount", sys.executable, "-m", "tests.support.isolation", *command]
    ended = subprocess.run(
        inside, capture_output=True, text=True, check=False, cwd=REPOSITORY, env={**bare(), **environment}
    )
    found = ended.stdout.rpartition("\n{")[2]
    if not found:
        raise RuntimeError(f"the network could not be set up: {ended.stderr}")
    report = json.loads("{" + found)
    return report["code"], report["destinations"], ended.stdout + ended.stderr


def bare() -> Mapping[str, str]:
    """Return the environment without proxies, behind which a connection would not show, and with telemetry allowed."""
    return {
        name: value
        for name, value in untraced().items()
        if not name.lower().endswith("_proxy") and name != "ORT_DISABLE_TELEMETRY"
    }


def run(command: Sequence[str]) -> None:
    """Set the network up, run the command, and print a line of JSON with its exit code and the destinations."""
    outside = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(outside, TUNSETIFF, struct.pack("16sH22x", NAME.encode(), IFF_TUN | IFF_NO_PI))
    for each in COMMANDS:
        subprocess.run(["ip", *each.split()], check=True)
    with tempfile.TemporaryDirectory() as folder:
        resolver = Path(folder, "resolv.conf")
        resolver.write_text(f"nameserver {NAME_SERVER}\noptions timeout:1 attempts:1\n")
        subprocess.run(["mount", "--bind", str(resolver), "/etc/resolv.conf"], check=True)
        code = subprocess.run(command, check=False).returncode
    sys.stdout.write("\n" + json.dumps({"code": code, "destinations": packets(outside)}))


def packets(outside: int) -> list[str]:
    """Return the destinations of the packets that have come so far."""
    found: list[str] = []
    while True:
        try:
            packet = os.read(outside, MAX_PACKET)
        except BlockingIOError:
            return found
        part = packet[24:40] if packet[0] >> 4 == 6 else packet[16:20]
        address = ipaddress.ip_address(part)
        if address not in NEIGHBOURS:
            found.append(str(address))


if __name__ == "__main__":
    run(sys.argv[1:])
