"""A large request leaves its memory to the next one."""

from pathlib import Path

import httpx
import pytest

from tests.support.server import StartServer

pytestmark = pytest.mark.anew
ROWS = 100_000
REPEATS = 5
MOST_FAULTS = 500  # pages of 4 KiB, a request; 4,000 without memory that is kept


def page_faults(pid: int) -> int:
    """Return how many pages a process was given so far."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


def test_the_next_large_request_uses_the_memory_of_the_last_one(start_server: StartServer) -> None:
    server = start_server()
    body = b'{"instances": [%s]}' % b",".join([b"[1.5, 2.5]"] * ROWS)

    with httpx.Client(base_url=server.url, timeout=30) as client:
        for _ in range(REPEATS):
            assert client.post("/predict", content=body).status_code == 200
        before = page_faults(server.process.pid)
        for _ in range(REPEATS):
            assert client.post("/predict", content=body).status_code == 200

    assert page_faults(server.process.pid) - before < REPEATS * MOST_FAULTS
