"""The contenders: how each is started, in which environment, and when it is ready."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from benchmarks.load import HOST, Exchange, WrongAnswer, get_status, send
from benchmarks.processes import ROOT, Program, cores_of, running

FOLDER = Path(__file__).resolve().parent
SERVER_CORE = "0"
BOTH_CORES = "0,1"
START_SECONDS = 90.0
POLL_SECONDS = 0.05
PEERS = ("triton", "ray", "mlserver", "litserve", "bentoml", "mosec")


class NotMeasured(Exception):
    """A contender cannot be measured here; the reason goes into the results."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A server that can be started: its command, with `{port}`, `{port2}`, `{port3}` and `{folder}` filled in."""

    name: str
    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)  # written into its folder first
    cores: str = SERVER_CORE
    ready_path: str | None = None  # answers 200 when it is ready; None: the request itself does
    is_peer: bool = False  # may be absent, runs in a folder of its own, and only while it is measured
    may_be_absent: bool = False  # a way of starting that a version of the service may not have


@dataclass(frozen=True, slots=True)
class Entry:
    """A contender and its request."""

    contender: Contender
    exchange: Exchange
    label: str = ""

    @property
    def name(self) -> str:
        return self.label or self.contender.name


@dataclass(frozen=True, slots=True)
class Server:
    """A contender that runs and answers."""

    program: Program
    port: int


@contextmanager
def started(entry: Entry) -> Iterator[Server]:
    """Start a contender, wait until it answers, check its answer, and end it on the way out.

    Raises `NotMeasured` when one that may be absent does not start, `WrongAnswer` when it answers something else.
    """
    with launched(entry.contender) as server:
        _wait(entry, server)
        check(entry, server.port)
        _check_cores(entry, server)
        yield server


@contextmanager
def launched(contender: Contender) -> Iterator[Server]:
    """Start a contender and end it on the way out; it may not be ready yet."""
    port, port2, port3 = _free_ports(3)
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        words = {"{port}": str(port), "{port2}": str(port2), "{port3}": str(port3), "{folder}": folder}
        for name, content in contender.files.items():
            (Path(folder) / name).write_bytes(_fill(content.decode("latin-1"), words).encode("latin-1"))
        command = [_fill(word, words) for word in contender.command]
        extra = {name: _fill(value, words) for name, value in contender.environment.items()} | {"TMPDIR": folder}
        where = Path(folder) if contender.is_peer else ROOT
        with running(command, extra, cores=contender.cores, folder=where) as program:
            yield Server(program, port)


def check(entry: Entry, port: int) -> None:
    """Raise `WrongAnswer`, naming the contender, unless it answers as it should."""
    reply = send(port, entry.exchange)
    try:
        if reply is None or reply.status != HTTPStatus.OK:
            raise WrongAnswer(f"answers {reply.status if reply else 'nothing'}: {reply.body[:200] if reply else ''!r}")
        entry.exchange.check(reply)
    except WrongAnswer as error:
        raise WrongAnswer(f"{entry.name}, POST {entry.exchange.path}: {error}") from error


def _check_cores(entry: Entry, server: Server) -> None:
    allowed = {int(core) for core in entry.contender.cores.split(",")}
    if not cores_of(server.program) <= allowed:
        raise WrongAnswer(f"{entry.name} left the cores that it was given")


def _wait(entry: Entry, server: Server) -> None:
    """Return when the contender is ready."""
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up:
        if server.program.process.poll() is not None:
            break
        if entry.contender.ready_path is not None:
            status = get_status(server.port, entry.contender.ready_path)
        else:
            reply = send(server.port, entry.exchange)
            status = reply.status if reply else None
        if status == HTTPStatus.OK:
            return
        time.sleep(POLL_SECONDS)
    problem = f"{entry.name} did not start: {server.program.last_words()}"
    if entry.contender.is_peer or entry.contender.may_be_absent:
        raise NotMeasured(problem)
    raise WrongAnswer(problem)


def _fill(text: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    try:
        return [listener.getsockname()[1] for listener in sockets]
    finally:
        for listener in sockets:
            listener.close()


def softmaxd(models: Path, *, name: str = "softmaxd", cores: str = SERVER_CORE, **settings: str) -> Contender:
    """Return the service as it starts by default, with the settings given."""
    return Contender(
        name,
        [sys.executable, "-m", "softmaxd", "serve", "--port", "{port}"],
        {"SOFTMAXD_MODELS_DIR": str(models)} | {f"SOFTMAXD_{key.upper()}": value for key, value in settings.items()},
        cores=cores,
        ready_path="/readyz",
        may_be_absent=bool(settings),
    )


def bare(reply: bytes, *, name: str = "bare", workers: int = 1, cores: str = SERVER_CORE) -> Contender:
    """Return stock uvicorn with a constant answer."""
    command = _uvicorn("benchmarks.servers.bare:app", "--lifespan", "off", "--workers", str(workers))
    return Contender(name, command, {"BARE_REPLY": "{folder}/reply"}, files={"reply": reply}, cores=cores)


def handwritten(model: Path, name: str) -> Contender:
    """Return the ordinary FastAPI service."""
    return Contender(name, _uvicorn("benchmarks.servers.handwritten:app"), {"MODEL": str(model)})


def nginx(reply: bytes) -> Contender:
    """Return nginx with a constant answer."""
    config = (FOLDER / "servers" / "nginx.conf").read_bytes().replace(b"{reply}", reply)
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise NotMeasured("nginx is not installed")
    return Contender("nginx", [program, "-p", "{folder}", "-c", "{folder}/nginx.conf"], files={"nginx.conf": config})


def peer(name: str, model: Path, workers: int = 1) -> Contender:
    """Return another project's server, in an environment of its own; only mosec can have two workers, on two cores."""
    folder = FOLDER / "peers" / name
    programs = _environment_of(name, folder / "requirements.txt")
    python = str(programs / "python")
    serve = [python, str(folder / "serve.py"), "--model", str(model), "--port", "{port}"]
    path = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": ""}
    match name:
        case "triton":
            return Contender(name, [*serve, "--metrics-port", "{port2}"], path, is_peer=True)
        case "ray":
            # the documented switches for throughput: HAProxy (in a wheel that Ray requires) in front of the
            # replica instead of Ray's own proxy, and direct calls; one thread for one core
            fast = {
                "RAY_SERVE_ENABLE_HA_PROXY": "1",
                "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
                "RAY_SERVE_HAPROXY_NBTHREAD": "1",
                "RAY_TMPDIR": "{folder}",
                "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": "{folder}/haproxy/haproxy.cfg",
                "RAY_SERVE_HAPROXY_SOCKET_PATH": "{folder}/haproxy/admin.sock",
                "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": "{folder}/haproxy",
                "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": "{folder}/haproxy/server-state",
                "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": "{folder}/haproxy/metrics.sock",
                "RAY_SERVE_HAPROXY_METRICS_PORT": "{port2}",
                "RAY_SERVE_HAPROXY_STATS_PORT": "{port3}",
            }
            return Contender(name, serve, path | fast, is_peer=True)
        case "mlserver":
            settings = json.dumps({
                "name": "blobs",
                "implementation": "runtime.Blobs",
                "parameters": {"uri": str(model)},
                # adaptive batching, after its documentation's advice to find the values by trial
                "max_batch_size": 64,
                "max_batch_time": 0.001,
            })  # fmt: skip
            fast = {
                "PYTHONPATH": str(folder),
                "MLSERVER_HOST": HOST,
                "MLSERVER_HTTP_PORT": "{port}",
                "MLSERVER_GRPC_PORT": "{port2}",
                "MLSERVER_METRICS_PORT": "{port3}",
                "MLSERVER_PARALLEL_WORKERS": "0",
                "MLSERVER_GZIP_ENABLED": "false",
                "MLSERVER_DEBUG": "false",
            }
            command = [str(programs / "mlserver"), "start", "{folder}"]
            return Contender(name, command, path | fast, {"model-settings.json": settings.encode()}, is_peer=True)
        case "bentoml":
            command = [str(programs / "bentoml"), "serve", "serve:Blobs", "--working-dir", str(folder)]
            listen = ["--host", HOST, "--port", "{port}"]
            return Contender(name, [*command, *listen], path | {"MODEL": str(model)}, is_peer=True)
        case "mosec":
            cores, full = (SERVER_CORE, name) if workers == 1 else (BOTH_CORES, f"{name}, {workers} workers")
            return Contender(full, [*serve, "--workers", str(workers)], path, cores=cores, is_peer=True)
    return Contender(name, serve, path, is_peer=True)


def pinned(name: str) -> tuple[str, str]:
    """Return the package of a peer and its version; the name may go on with the number of its workers."""
    name = name.partition(",")[0]
    project = "nvidia-pytriton" if name == "triton" else name
    words = (FOLDER / "peers" / name / "requirements.txt").read_text().split()
    pins = dict(word.split("==") for word in words if "==" in word)  # the others are hashes
    return project, pins[project]


def _uvicorn(app: str, *options: str) -> list[str]:
    fast = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    return [sys.executable, "-m", "uvicorn", app, "--host", HOST, "--port", "{port}", *fast, *options]


def _environment_of(name: str, requirements: Path) -> Path:
    """Return the folder of programs of a peer's virtual environment, made when it is not there or out of date."""
    folder = FOLDER / ".venvs" / name
    stamp = folder / "requirements.txt"
    if not stamp.exists() or stamp.read_bytes() != requirements.read_bytes():
        print(f"setting up the environment of {name}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
        done = subprocess.run([*install, "-r", str(requirements)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotMeasured(f"pip could not install its requirements: {done.stderr.strip().splitlines()[-1]}")
        stamp.write_bytes(requirements.read_bytes())
    return folder / "bin"
