"""The event loop and the kernel alone: requests are read, not looked at, and answered by a constant.

`python -m benchmarks.servers.constant PORT` sends the bytes of the file that CONSTANT_REPLY names. Like the service, it
answers the requests of one turn of the event loop together.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import cast

import uvloop

REPLY = Path(os.environ["CONSTANT_REPLY"]).read_bytes()


class Constant(asyncio.Protocol):
    """A connection."""

    arrived: list["Constant"] = []  # noqa: RUF012 - of all connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"POST "):  # the body of a request that came in two pieces
            return
        self.arrived.append(self)
        if len(self.arrived) == 1:
            asyncio.get_running_loop().call_soon(answer, self.arrived)


def answer(arrived: list[Constant]) -> None:
    """Answer all that have arrived."""
    for connection in arrived:
        connection.transport.write(REPLY)
    arrived.clear()


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Constant, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
