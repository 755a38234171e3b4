import asyncio
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from softmaxd import accepting
from softmaxd.accepting import FILE, NUMBER_BYTES, Acceptor, Counts
from softmaxd.listening import listen
from tests.support.waiting import until

OTHER = """
import sys
from pathlib import Path
from softmaxd.accepting import Counts
counts = Counts(Path(sys.argv[1]), workers=2)
counts.tell(int(sys.argv[2]))
print(counts.fewest(), flush=True)
sys.stdin.read()
"""


@contextmanager
def another_worker(folder: Path, connections: int) -> Iterator[subprocess.Popen[str]]:
    """Start another process that has this number of connections, and wait until it has told so."""
    command = [sys.executable, "-c", OTHER, str(folder), str(connections)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_a_worker_knows_the_connections_of_another_one_as_long_as_it_lives(tmp_path: Path) -> None:
    counts = Counts(tmp_path, workers=2)
    counts.tell(7)

    assert counts.fewest() is None
    with another_worker(tmp_path, 3) as other:
        found = counts.fewest()
        assert found is not None
        assert (found[0], counts.is_taken(found[1])) == (3, True)
        other.kill()
        other.wait()
        assert counts.is_taken(found[1]) is False
    assert counts.fewest() is None


def test_each_worker_has_a_place_of_its_own(tmp_path: Path) -> None:
    with another_worker(tmp_path, 3), another_worker(tmp_path, 4):
        counts = Counts(tmp_path, workers=2)
        counts.tell(1)

        assert counts.fewest() == (3, 0)
        counts.leave()
        with another_worker(tmp_path, 2) as last:
            last.kill()
    numbers = memoryview((tmp_path / FILE).read_bytes()).cast("q")
    assert numbers.tolist() == [4, 5, 0, 3]


def test_the_file_has_all_its_memory_before_it_is_mapped(tmp_path: Path) -> None:
    Counts(tmp_path, workers=256)

    status = (tmp_path / FILE).stat()
    assert (status.st_size, status.st_blocks > 0) == (512 * NUMBER_BYTES, True)


def test_without_the_folder_there_are_no_counts(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Counts(tmp_path / "away", workers=2)


class Service:
    """Clients of an acceptor, and the connections that it has accepted."""

    def __init__(self, listener: socket.socket, folder: Path, others: int = 0) -> None:
        self.address = listener.getsockname()
        self.accepted: list[socket.socket] = []
        self.acceptor = Acceptor(listener, Counts(folder, 2), self.serve, lambda: others + len(self.accepted))

    async def serve(self, connection: socket.socket) -> None:
        self.accepted.append(connection)
        if len(self.accepted) % 2:
            raise ConnectionResetError  # as when a client leaves during the handshake of TLS

    async def until_accepted(self, number: int) -> None:
        await asyncio.to_thread(until, lambda: len(self.accepted) == number)


def with_service(folder: Path, scene: Callable[[Service], Awaitable[None]], *, others: int = 0) -> None:
    async def run() -> None:
        with listen("127.0.0.1", 0) as listener:
            service = Service(listener, folder, others)
            await scene(service)
            service.acceptor.close()
            await service.acceptor.wait_closed()
            late = socket.create_connection(service.address)
            await asyncio.sleep(0)
            with pytest.raises(BlockingIOError):
                late.recv(1, socket.MSG_DONTWAIT)
            for connection in [late, *service.accepted]:
                connection.close()

    asyncio.run(run())


@contextmanager
def clients(service: Service, number: int) -> Iterator[None]:
    found = [socket.create_connection(service.address) for _ in range(number)]
    yield
    for client in found:
        client.close()


def test_the_only_worker_accepts_every_connection(tmp_path: Path) -> None:
    async def scene(service: Service) -> None:
        with clients(service, 5):
            await service.until_accepted(5)

    with_service(tmp_path, scene)


def test_a_connection_that_another_worker_does_not_take_is_accepted_in_the_end(tmp_path: Path) -> None:
    async def scene(service: Service) -> None:
        with another_worker(tmp_path, 0), clients(service, 3):
            await asyncio.sleep(0)
            assert service.accepted == []
            await service.until_accepted(3)

    with_service(tmp_path, scene, others=2)


def test_a_connection_is_left_to_no_worker_that_has_as_many_or_has_ended(tmp_path: Path) -> None:
    async def scene(service: Service) -> None:
        with another_worker(tmp_path, 9), clients(service, 2):
            await service.until_accepted(2)
        with another_worker(tmp_path, 0) as other:
            other.kill()
            other.wait()
            with clients(service, 2):
                await service.until_accepted(4)

    with_service(tmp_path, scene)


def test_a_worker_that_stops_while_it_waits_for_another_one_accepts_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "PAUSE", 60.0)  # it is in the pause when it stops

    async def scene(service: Service) -> None:
        with another_worker(tmp_path, 0), clients(service, 1):
            await asyncio.sleep(0.1)
            assert service.accepted == []

    with_service(tmp_path, scene, others=2)


def test_a_connection_waits_for_a_free_file_descriptor(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(service: Service) -> None:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        await asyncio.to_thread(len, "")  # the first thread opens files
        with clients(service, 1):
            free = os.dup(0)
            os.close(free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
            try:
                await asyncio.to_thread(until, lambda: caplog.messages)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            await service.until_accepted(1)

    with_service(tmp_path, scene)

    assert caplog.messages == ["no connection can be accepted: Too many open files"]


def test_another_worker_may_take_the_connection_first(tmp_path: Path) -> None:
    taken: list[socket.socket] = []

    def take(listener: socket.socket) -> None:
        with suppress(BlockingIOError):
            taken.append(listener.accept()[0])

    async def run() -> None:
        loop = asyncio.get_running_loop()
        with listen("127.0.0.1", 0) as listener, listener.dup() as before, listener.dup() as after:
            loop.add_reader(
                before, take, before
            )  # whichever the kernel tells first, one of them is before the acceptor
            service = Service(listener, tmp_path)
            loop.add_reader(after, take, after)
            with clients(service, 1):
                await asyncio.to_thread(until, lambda: taken)
            assert service.accepted == []
            service.acceptor.close()
            loop.remove_reader(before)
            loop.remove_reader(after)
            taken[0].close()

    asyncio.run(run())
