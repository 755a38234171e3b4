"""The memory limit of docker-compose.yml holds, whatever clients send at the same time."""

import threading
import time

from tests.support.attack import attack, large_bodies
from tests.support.docker import FREE_PORT, Deploy, Deployment

PARALLEL = 100
MAX_BODY = 8 * 2**20
PEAK_FILES = ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes")  # of cgroup v2 and v1
NOW_FILES = ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes")


def read_number(deployment: Deployment, *files: str) -> int | None:
    """Return the number in the first of these files that exists in the container."""
    for file in files:
        result = deployment.run("cat", file)
        if result.returncode == 0:
            return int(result.stdout)
    return None


class Peak(threading.Thread):
    """Watches the memory of a container's cgroup."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__()
        self.deployment = deployment
        self.bytes = 0
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.1):
            self.bytes = max(self.bytes, read_number(self.deployment, *NOW_FILES) or 0)


def test_100_bodies_of_8_mib_at_once_kill_nothing(deploy: Deploy) -> None:
    deployment = deploy(FREE_PORT)
    before = deployment.inspect()
    watch = Peak(deployment)
    watch.start()
    begin = time.monotonic()

    large, small = attack(deployment.url, large_bodies(MAX_BODY - 100), parallel=PARALLEL, rounds=2)

    watch.done.set()
    watch.join()
    peak = read_number(deployment, *PEAK_FILES) or watch.bytes
    after = deployment.inspect()
    limit = before["HostConfig"]["Memory"]
    took = time.monotonic() - begin
    print(large, small, f"in {took:.0f} s, peak {peak >> 20} of {limit >> 20} MiB")  # noqa: T201 - with -s
    assert (after["RestartCount"], after["State"]["OOMKilled"]) == (0, False)
    assert after["State"]["StartedAt"] == before["State"]["StartedAt"]
    assert after["State"]["Pid"] == before["State"]["Pid"]
    assert set(large) <= {413, 422, 429}
    assert sum(large.values()) == 2 * PARALLEL
    assert set(small) == {200}
    assert 0 < peak < limit
