"""Sends requests: one to look at, many by `wrk` for a rate, some in a row for their time."""

import http.client
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

HOST = "127.0.0.1"
LOAD_CORE = "1"
REQUEST_TIMEOUT = 60
WRK = ["wrk", "-t1", "--timeout", f"{REQUEST_TIMEOUT}s"]

# wrk sends the same bytes again and again; `done` prints the measurements as one line of JSON, times in µs.
SCRIPT = """\
wrk.method = "POST"
local file = assert(io.open("{body}", "rb"))
wrk.body = file:read("*a")
file:close()
{headers}
{pauses}
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\\n{{"requests": %d, "microseconds": %d, "p50": %.1f, "p99": %.1f, "failed": %d}}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""

# Each connection waits before its next request: exponential times with this mean, in whole milliseconds, of which the
# nearer one is likelier, so that the mean is kept.
PAUSES = """\
function delay()
  return math.floor(-math.log(1 - math.random()) * {milliseconds} + math.random())
end
"""


class WrongAnswer(Exception):
    """A contender gives a wrong answer."""


class LoadFailed(Exception):
    """Requests failed under load."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to a request."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Exchange:
    """A request and its expected reply; `check` raises `WrongAnswer`."""

    path: str
    body: bytes
    check: Callable[[Reply], None]
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclass(frozen=True, slots=True)
class Load:
    """The measurements of one run of `wrk`."""

    rate: float  # requests per second
    requests: int
    p50: float  # seconds
    p99: float  # seconds


def get_status(port: int, path: str) -> int | None:
    """Return the status of a GET, or None when nothing listens yet."""
    connection = http.client.HTTPConnection(HOST, port, timeout=REQUEST_TIMEOUT)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def send(port: int, exchange: Exchange) -> Reply | None:
    """Return the reply, unchecked, or None when nothing listens yet."""
    connection = http.client.HTTPConnection(HOST, port, timeout=REQUEST_TIMEOUT)
    try:
        return _post(connection, exchange)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def time_requests(port: int, exchange: Exchange, *, count: int) -> float:
    """Return the median seconds of `count` requests on one connection, one after the other."""
    connection = http.client.HTTPConnection(HOST, port, timeout=REQUEST_TIMEOUT)
    seconds = []
    try:
        for _ in range(count):
            start = time.perf_counter()
            reply = _post(connection, exchange)
            seconds.append(time.perf_counter() - start)
            if reply.status != HTTPStatus.OK:
                raise LoadFailed(f"a request was answered {reply.status}")
    except (OSError, http.client.HTTPException) as error:
        raise LoadFailed(f"a request failed: {error!r}") from error
    finally:
        connection.close()
    return statistics.median(seconds)


def run_load(
    port: int, exchange: Exchange, *, connections: int, seconds: int, pause: float = 0, scheme: str = "http"
) -> Load:
    """Run `wrk` with one thread on its own core and keep-alive connections.

    With a mean `pause` in seconds, a connection rests before each request, so a server that keeps up gets about
    `connections / pause` requests a second at random moments. A certificate is not checked.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"{scheme}://{HOST}:{port}{exchange.path}"
        with _wrk(url, exchange, connections, seconds, folder, pause) as wrk:
            output, _ = wrk.communicate()
    return _read_load(output)


@contextmanager
def background_load(port: int, exchange: Exchange, *, seconds: int, connections: int = 1) -> Iterator[None]:
    """Post back to back on each connection, beside whatever the caller does, which takes `seconds`."""
    url = f"http://{HOST}:{port}{exchange.path}"
    with tempfile.TemporaryDirectory() as folder, _wrk(url, exchange, connections, seconds, Path(folder)) as wrk:
        yield
        output, _ = wrk.communicate()
    _read_load(output)


@contextmanager
def _wrk(
    url: str, exchange: Exchange, connections: int, seconds: int, folder: Path, pause: float = 0
) -> Iterator[subprocess.Popen[bytes]]:
    (folder / "body").write_bytes(exchange.body)
    headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in exchange.headers.items())
    script = folder / "post.lua"
    pauses = PAUSES.format(milliseconds=pause * 1e3) if pause else ""
    script.write_text(SCRIPT.format(body=folder / "body", headers=headers, pauses=pauses))
    wrk = subprocess.Popen(
        ["taskset", "-c", LOAD_CORE, *WRK, f"-c{connections}", f"-d{seconds}s", "-s", str(script), url],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield wrk
    finally:
        wrk.kill()
        wrk.wait()


def _read_load(output: bytes) -> Load:
    try:
        numbers = json.loads(output.splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise LoadFailed(f"wrk said: {output[-300:]!r}") from error
    if numbers["failed"] or not numbers["requests"]:
        raise LoadFailed(f"{numbers['failed']} requests failed, {numbers['requests']} did not")
    return Load(
        rate=numbers["requests"] / numbers["microseconds"] * 1e6,
        requests=numbers["requests"],
        p50=numbers["p50"] / 1e6,
        p99=numbers["p99"] / 1e6,
    )


def _post(connection: http.client.HTTPConnection, exchange: Exchange) -> Reply:
    connection.request("POST", exchange.path, exchange.body, exchange.headers)
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, headers, response.read())
