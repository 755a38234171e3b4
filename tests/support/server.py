"""A `softmaxd serve` that a test starts on a free port."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence

from tests.support.forking import IS_SUPPORTED, Forked
from tests.support.paths import REPOSITORY
from tests.support.processes import forget, start, untraced

SERVE = ("softmaxd", "serve")
START_SECONDS = 60
STOP_SECONDS = 30


class Server:
    """A `softmaxd serve` of its own, on a free port; its log lines are kept.

    It is forked from a process that has imported its packages, unless it should start anew, as it does for tests of
    its start, its end and its memory, or is another program.
    """

    def __init__(
        self,
        *options: str,
        environment: Mapping[str, str],
        program: Sequence[str] = SERVE,
        traced: bool = True,
        forked: bool = IS_SUPPORTED,
    ) -> None:
        arguments = ["--port", "0", *options]
        self.lines: list[str] = []
        self.url = ""
        self._listening = threading.Event()
        environment = {**(os.environ if traced else untraced()), **environment}
        self.process: subprocess.Popen[str] | Forked
        if forked and program == SERVE:
            self.process = Forked([program[-1], *arguments], environment)
        else:
            self.process = start([sys.executable, "-m", *program, *arguments], cwd=REPOSITORY, env=environment)
        self._reader = threading.Thread(target=self._read, daemon=True)  # a failed test may leave it
        self._reader.start()
        if not self._listening.wait(START_SECONDS) or not self.url:
            self.process.kill()
            self.wait()
            raise RuntimeError(f"the server did not start: {self.lines}")

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            found = re.search(r"listening on (https?://[^\s\"]+)", line)
            if found:
                self.url = found[1]
                self._listening.set()
        self._listening.set()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def messages(self) -> list[dict[str, object]]:
        """Return the log lines, which are JSON as standard error is not a terminal."""
        return [json.loads(line) for line in self.lines]

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        code = self.process.wait(STOP_SECONDS)
        forget(self.process)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code

    def stop(self) -> int:
        if self.process.poll() is None:
            self.send_signal(signal.SIGTERM)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


StartServer = Callable[..., Server]
