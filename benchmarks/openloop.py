"""An open-loop load generator: requests are sent when they are due, whether or not those before them are answered.

A closed loop slows down with the server, and so never overloads it. Here each latency counts from the moment at which
the request was due, so a server cannot hide a queue. Bounded in seconds, requests and connections; loopback only.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.load import HOST, Exchange, LoadFailed

MOST_CONNECTIONS = 2_000
MOST_REQUESTS = 200_000
REPLY_SECONDS = 30.0
LOST = 0  # in the place of a status


@dataclass(frozen=True, slots=True)
class Sample:
    """A request: seconds from the start of the load to the moment at which it was due, and from there to its reply."""

    due: float
    seconds: float
    status: int
    has_retry_after: bool


class Client:
    """Keep-alive connections to a server, as many as there are requests without a reply."""

    def __init__(self, port: int, exchange: Exchange) -> None:
        headers = "".join(f"{name}: {value}\r\n" for name, value in exchange.headers.items())
        head = f"POST {exchange.path} HTTP/1.1\r\nHost: {HOST}\r\n{headers}Content-Length: {len(exchange.body)}\r\n\r\n"
        self._request = head.encode() + exchange.body
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._busy = 0

    async def ask(self, start: float, due: float) -> Sample:
        """Send the request and return its sample; a request that gets no reply is lost."""
        if self._busy >= MOST_CONNECTIONS:
            raise LoadFailed(f"{MOST_CONNECTIONS} requests have no reply")
        self._busy += 1
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                status, has_retry_after = await self._ask()
        except (OSError, EOFError, TimeoutError):
            status, has_retry_after = LOST, False
        self._busy -= 1
        return Sample(due, time.perf_counter() - start - due, status, has_retry_after)

    async def _ask(self) -> tuple[int, bool]:
        reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection(HOST, self._port)
        try:
            writer.write(self._request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
            await reader.readexactly(int(fields[b"content-length"]))
        except BaseException:
            writer.close()
            raise
        if fields.get(b"connection") == b"close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(head.split()[1]), b"retry-after" in fields

    def close(self) -> None:
        """Close the idle connections; call it when every request has its reply."""
        for _, writer in self._idle:
            writer.close()


def arrivals(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """Give the moments of a Poisson process, in seconds from its start."""
    generator = random.Random(seed)  # noqa: S311 - arrivals, not secrets
    due = generator.expovariate(rate)
    while due < seconds:
        yield due
        due += generator.expovariate(rate)


async def offer(port: int, exchange: Exchange, *, rate: float, seconds: float, seed: int = 0) -> list[Sample]:
    """Offer requests at random moments, `rate` a second on average, and return their samples in order."""
    if rate * seconds > MOST_REQUESTS:
        raise LoadFailed(f"{rate * seconds:.0f} requests are more than {MOST_REQUESTS}")
    client = Client(port, exchange)
    start = time.perf_counter()
    tasks = []
    for due in arrivals(rate, seconds, seed):
        await asyncio.sleep(start + due - time.perf_counter())
        tasks.append(asyncio.create_task(client.ask(start, due)))
    samples = list(await asyncio.gather(*tasks))
    client.close()
    return samples


async def saturate(port: int, exchange: Exchange, *, connections: int, seconds: float) -> list[Sample]:
    """Send as fast as the server replies, on some connections at once, and return the samples."""
    client = Client(port, exchange)
    start = time.perf_counter()

    async def loop() -> list[Sample]:
        samples = []
        while (due := time.perf_counter() - start) < seconds:
            samples.append(await client.ask(start, due))
        return samples

    found = await asyncio.gather(*(loop() for _ in range(connections)))
    client.close()
    return [sample for samples in found for sample in samples]
