"""Forks services from a process that has imported the packages of serving, which take most of the time of a start.

Such a service imports the modules of softmaxd itself, as some hold state of their process. It has a process group and
an environment of its own, and its supervisor starts workers in the same way as ever.

`python -m tests.support.forking DESCRIPTOR` is the process that forks. Only the test run holds the other end of the
socket, at whose end it ends.
"""

import atexit
import contextlib
import functools
import importlib
import json
import os
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence

from tests.support.paths import REPOSITORY
from tests.support.processes import TRACING, untraced, watch

IS_SUPPORTED = hasattr(os, "pidfd_open")  # Linux
PACKAGES = (
    *(
        "asyncio",
        "coverage",
        "email.message",
        "fastapi.openapi.docs",
        "multiprocessing.spawn",
        "numpy.typing",
        "onnxruntime",
    ),
    *("orjson", "pydantic", "pythonjsonlogger.json", "simdjson", "starlette.middleware.cors", "starlette.staticfiles"),
    *("uvicorn.protocols.http.httptools_impl", "uvicorn.supervisors", "uvloop"),
)
MOST_BYTES = 2**20  # of a request to fork: the environment is most of it


class Forked:
    """A forked `softmaxd`, with those methods of a `Popen` that the tests need."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        reading, writing = os.pipe()
        self._end, ended = os.pipe()  # its exit code comes here
        channel = _forking()
        request = json.dumps({"arguments": arguments, "environment": dict(environment)})
        socket.send_fds(channel, [request.encode()], [writing, ended])
        os.close(writing)
        os.close(ended)
        self.pid = int(channel.recv(MOST_BYTES))
        watch(self.pid)
        self.stderr = os.fdopen(reading)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or the negative signal, if it has ended."""
        if self.returncode is None and select.select([self._end], [], [], 0)[0]:
            self.returncode = int(os.read(self._end, MOST_BYTES))
            os.close(self._end)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Return its exit code. Raises `TimeoutExpired`."""
        if self.returncode is None and not select.select([self._end], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("softmaxd", timeout)
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)


@functools.cache
def _forking() -> socket.socket:
    """Start the process that forks, and return the socket to it. It has a process group, so no Ctrl-C reaches it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    descriptor = theirs.fileno()
    command = [sys.executable, "-m", "tests.support.forking", str(descriptor)]
    environment = {**untraced(), "ORT_DISABLE_TELEMETRY": "1"}  # or it has a thread, which does not outlive a fork
    process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, pass_fds=[descriptor], process_group=0)
    theirs.close()
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


class Fork(Exception):
    """Unwinds the stack in a forked process; it has the arguments of the command."""


def fork_all(channel: socket.socket) -> None:
    """Fork at each request, and tell of each end, until the test run has ended. Raises `Fork` in a forked process."""
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not channel:
                    _tell_end(selector, key)
                elif not _fork(selector, channel):
                    return


def _tell_end(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    pid, ended = key.data
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.write(ended, str(code).encode())
    os.close(ended)
    selector.unregister(key.fd)
    os.close(key.fd)


def _fork(selector: selectors.BaseSelector, channel: socket.socket) -> bool:
    """Fork one process; return False at the end of the test run."""
    request, descriptors, _, _ = socket.recv_fds(channel, MOST_BYTES, 2)
    if not request:
        return False
    stderr, ended = descriptors
    with warnings.catch_warnings(action="ignore"):  # the threads of NumPy's library know of forks
        pid = os.fork()
    if pid == 0:
        _become(json.loads(request), selector, stderr, ended)
    os.close(stderr)
    selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, ended))
    channel.send(str(pid).encode())
    return True


def _become(request: Mapping[str, object], selector: selectors.BaseSelector, stderr: int, ended: int) -> None:
    os.setpgid(0, 0)
    os.dup2(stderr, 2)
    os.close(stderr)
    os.close(ended)
    for key in selector.get_map().values():
        os.close(key.fd)
        if key.data is not None:
            os.close(key.data[1])
    os.environ.clear()
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    if TRACING in os.environ:
        importlib.import_module("coverage").process_startup()
    raise Fork(request["arguments"])


if __name__ == "__main__":
    for package in PACKAGES:
        with contextlib.suppress(ImportError):  # some environments lack those that only some services need
            importlib.import_module(package)
    try:
        fork_all(socket.socket(fileno=int(sys.argv[1])))
    except Fork as forked:
        sys.argv[1:] = forked.args[0]
    else:
        sys.exit()
    runpy.run_module("softmaxd", run_name="__main__", alter_sys=True)
