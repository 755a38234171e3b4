"""`softmaxd serve` that tells of its tasks, and leaks on purpose if it is told to: the program of a soak.

On the signal `ASK` a process writes the number of its asyncio tasks into the folder of `SOAK_FOLDER`. `SOAK_LEAKS`
names the faults that are planted: a soak that does not find them measures nothing. Workers import this module, too.
"""

import asyncio
import itertools
import os
import signal
import sys
import threading
from pathlib import Path

from starlette.types import Message, Receive, Scope, Send

from softmaxd.cli.main import main
from softmaxd.http.lifecycle import InFlight
from tests.support.soaking.usage import ASK, FOLDER, LEAKS

LEAKED_BYTES = 512 * 1024
ONE_IN = 10  # requests of the ASGI lane leaks, but for the memory

serve_request = InFlight.__call__


def tell(*_: object) -> None:
    """Write the number of tasks, whole or not at all."""
    file = Path(os.environ[FOLDER]) / str(os.getpid())
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(str(_tasks()))
    unfinished.rename(file)


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # a supervisor has no event loop
        return 0


class Leaks:
    """Wraps the ASGI application of `InFlight`."""

    def __init__(self, kinds: set[str]) -> None:
        self._kinds = kinds
        self._kept: list[object] = []
        self._count = itertools.count()

    async def serve(self, app: InFlight, scope: Scope, receive: Receive, send: Send) -> None:
        """Leak, and serve the request."""
        is_one = next(self._count) % ONE_IN == 0
        if "memory" in self._kinds:
            self._kept.append(bytearray(LEAKED_BYTES))
        if is_one:
            self._leak()

        async def send_wrong(message: Message) -> None:
            if is_one and "answer" in self._kinds and message.get("body"):
                message = {**message, "body": message["body"].replace(b"0", b"1")}
            await send(message)

        await serve_request(app, scope, receive, send_wrong)

    def _leak(self) -> None:
        if "descriptor" in self._kinds:
            os.open(os.devnull, os.O_RDONLY)
        if "thread" in self._kinds:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        if "task" in self._kinds:
            self._kept.append(asyncio.ensure_future(asyncio.Event().wait()))


def plant(kinds: set[str]) -> None:
    """Make every application of this process leak."""
    leaks = Leaks(kinds)

    async def call(app: InFlight, scope: Scope, receive: Receive, send: Send) -> None:
        await leaks.serve(app, scope, receive, send)

    InFlight.__call__ = call  # type: ignore[assignment, method-assign]


signal.signal(ASK, tell)
if os.environ.get(LEAKS):
    plant(set(os.environ[LEAKS].split(",")))

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
