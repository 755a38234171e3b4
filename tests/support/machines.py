"""Machines with a Docker engine each, made of namespaces: they form a swarm on one machine, and can lose their power.

A machine is the processes, the mounts, the network and the name of one engine. It ends, with all its containers, when
its first process is killed, so nothing is left over whatever becomes of the test run.
"""

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.support.docker import attempt, docker
from tests.support.paths import REPOSITORY
from tests.support.processes import forget, living, start
from tests.support.waiting import until

CGROUPS = Path("/sys/fs/cgroup")
NAMESPACES = ["--net", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
# Its cable is plugged in while it starts. It has no default route: the engine asks no registry, and waits for none.
# Its disk is in memory, and goes with its mounts.
BOOT = """
hostname "$1"
until ip address add "$2/24" dev eth0 2>/dev/null; do sleep 0.02; done
ip link set lo up
ip link set eth0 up
mkdir "$3/data"
mount -t tmpfs disk "$3/data"
exec dockerd --host "unix://$3/docker.sock" --data-root "$3/data" --exec-root "$3/exec" --pidfile "$3/pid" \
  --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$4" --no-new-privileges 2>"$3/log"
"""
SWITCH = "ip link add switch type bridge && ip link set switch up && exec sleep infinity"


class Switch:
    """A network of its own, 10.77.x.0/24, that joins the machines and this one, which has its last address."""

    def __init__(self) -> None:
        self._number = os.getpid() % 250  # so that two runs of the tests do not meet
        self._cable = f"softmaxd-{self._number}"
        self.process = start(["unshare", "--net", "sh", "-c", SWITCH], cwd=REPOSITORY)
        until(lambda: enter(self.process.pid, "ip", "link", "show", "switch").returncode == 0)
        self.plug(os.getpid(), self._cable)
        run("ip", "address", "add", f"{self.address(254)}/24", "dev", self._cable)
        run("ip", "link", "set", self._cable, "up")

    def address(self, host: int) -> str:
        return f"10.77.{self._number}.{host}"

    def plug(self, process: int, name: str) -> str:
        """Join the network of a process by a cable that is called so in there; return the name of the other end."""
        end = f"port-{process}"
        ends = ["name", name, "netns", str(process), "type", "veth", "peer", "name", end, "netns"]
        run("ip", "link", "add", *ends, str(self.process.pid))
        self.do("ip", "link", "set", end, "master", "switch", "up")
        return end

    def do(self, *command: str) -> None:
        result = enter(self.process.pid, *command)
        assert result.returncode == 0, result.stderr

    def close(self) -> None:
        run("ip", "link", "delete", self._cable)
        end(self.process)


class Machine:
    """A machine that runs an engine until it is stopped. Its files are in `folder`."""

    def __init__(self, name: str, address: str, folder: Path, switch: Switch) -> None:
        self.name, self.address, self.folder = name, address, folder
        self._switch = switch
        folder.mkdir()
        self._cgroup = f"softmaxd-{os.getpid()}-{name}"
        arguments = ["sh", "-c", BOOT, "sh", name, address, str(folder), self._cgroup]
        self.process = start(["unshare", *NAMESPACES, *arguments], cwd=REPOSITORY)
        until(lambda: has_network_of_its_own(self.process.pid))
        self._port = switch.plug(self.process.pid, "eth0")

    def wait(self) -> None:
        """Wait until the engine answers."""
        until(lambda: self.process.poll() is not None or self.attempt("info").returncode == 0)
        assert self.process.returncode is None, self.log()

    def docker(self, *arguments: str) -> str:
        return docker("--host", f"unix://{self.folder}/docker.sock", *arguments)

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return attempt("--host", f"unix://{self.folder}/docker.sock", *arguments)

    def log(self) -> str:
        return (self.folder / "log").read_text()[-5000:]

    def lose(self) -> None:
        """Take its power: at once no packet comes from it any more, not even the end of a connection."""
        self._switch.do("ip", "link", "set", self._port, "down")
        self.stop()

    def stop(self) -> None:
        """End all its processes, and remove its files."""
        if self.process.returncode is None:
            end(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)
        roots = (CGROUPS, *CGROUPS.iterdir())  # of cgroup version 2, and of each hierarchy of version 1
        groups = (group for root in roots for group in root.glob(f"{self._cgroup}/**/"))
        for group in sorted(groups, reverse=True):  # those below first
            until(partial(is_removed, group))


def is_removed(group: Path) -> bool:
    """Remove a control group, which is busy until the last killed process has gone."""
    try:
        group.rmdir()
    except OSError as error:
        return error.errno != errno.EBUSY
    return True


def has_network_of_its_own(process: int) -> bool:
    return os.readlink(f"/proc/{process}/ns/net") != os.readlink("/proc/self/ns/net")


def enter(process: int, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the network of a process."""
    inside = ["nsenter", f"--net=/proc/{process}/ns/net", *command]
    return subprocess.run(inside, capture_output=True, text=True, check=False)


def run(*command: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def end(process: "subprocess.Popen[str]") -> None:
    """Kill a process that has the others of its machine in its hand, and wait for their end."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    forget(process)
    until(lambda: not living(process.pid))


def load_images(machines: Sequence[Machine], file: Path, *images: str) -> None:
    """Copy images of the common engine to the machines, which reach no registry."""
    docker("save", "--output", str(file), *images)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda machine: machine.docker("load", "--quiet", "--input", str(file)), machines))
    file.unlink()


def form_swarm(machines: Sequence[Machine]) -> None:
    """Join the machines to a swarm; all of them are managers, and the first one leads."""
    first = machines[0]
    first.docker("swarm", "init", "--advertise-addr", first.address)
    token = first.docker("swarm", "join-token", "--quiet", "manager").strip()
    for machine in machines[1:]:
        machine.docker("swarm", "join", "--token", token, "--advertise-addr", machine.address, first.address)
