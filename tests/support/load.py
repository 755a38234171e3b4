"""Clients that ask all the time over TLS, at a part of the rate that the service can bear."""

import asyncio
import ssl
import threading
import time
from collections import Counter
from typing import Self

from tests.support.waiting import until

BODY = b'{"instances": [[15.2, 0.3]]}'
REQUEST = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
CONNECTIONS = 16
SHARE = 0.7  # of the rate that was measured
MEASURED_SECONDS = 1.0
ANSWER_SECONDS = 30


class Load:
    """Measures how many requests a second are answered, then asks at a share of that rate until it is stopped."""

    def __init__(
        self,
        port: int,
        context: ssl.SSLContext | None = None,
        request: bytes = REQUEST,
        *,
        host: str = "127.0.0.1",
        share: float = SHARE,
    ) -> None:
        self.outcomes: Counter[str] = Counter()  # statuses and failures
        self.longest = 0.0  # seconds until an answer
        self.rate = 0.0  # answers a second that the service bears
        self.request = request
        self.ends_when_refused = False  # the service stops, and takes no request along
        self._place = (host, port, context)
        self._share = share
        self._stop = False
        self._begin = self._next = 0.0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: self.rate or not self._thread.is_alive())
        return self

    def __exit__(self, *_: object) -> None:
        self._stop = True
        self._thread.join()

    @property
    def answered(self) -> int:
        return self.outcomes["200"]

    @property
    def failures(self) -> dict[str, int]:
        return {outcome: count for outcome, count in self.outcomes.items() if outcome != "200"}

    def wait_for(self, answers: int) -> None:
        """Wait until so many more requests are answered."""
        wanted = self.answered + answers
        until(lambda: self.answered >= wanted)

    def outcome(self, status: str, _body: bytes) -> str:
        """Return how an answer counts."""
        return status

    async def _run(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(CONNECTIONS)))

    async def _client(self) -> None:
        while not self._stop:
            host, port, context = self._place
            try:
                reader, writer = await asyncio.open_connection(host, port, ssl=context)
            except OSError as error:
                if self.ends_when_refused and isinstance(error, ConnectionRefusedError):
                    return
                self.outcomes[f"connect: {type(error).__name__}"] += 1
                await asyncio.sleep(0.05)
                continue
            try:
                await self._ask(reader, writer)
            except (OSError, EOFError, TimeoutError) as error:
                self.outcomes[type(error).__name__] += 1
            finally:
                writer.transport.abort()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Ask until the connection closes after an answer."""
        while not self._stop:
            await self._pace()
            asked = time.monotonic()
            writer.write(self.request)
            head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), ANSWER_SECONDS)).lower()
            length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
            body = await asyncio.wait_for(reader.readexactly(length), ANSWER_SECONDS)
            self.longest = max(self.longest, time.monotonic() - asked)
            self.outcomes[self.outcome(head.split(b" ", 2)[1].decode(), body)] += 1
            if b"\r\nconnection: close\r\n" in head:
                return

    async def _pace(self) -> None:
        """Wait for the turn of the next request, once the rate is known."""
        now = time.monotonic()
        if not self.rate:
            if self.answered and not self._begin:  # the first answer may have waited for a worker to start
                self._begin = now
            if not self._begin or now - self._begin < MEASURED_SECONDS:
                return
            self.rate, self._next = max(self.answered, 1) / MEASURED_SECONDS, now
        self._next = max(self._next, now - 0.1) + 1 / (self._share * self.rate)
        await asyncio.sleep(self._next - now)
