"""Measures softmaxd alone: beside large bodies, at the start, after a million requests."""

import importlib.util
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from http import HTTPStatus

from benchmarks.contenders import SERVER_CORE, Contender, Entry, Server, check, launched, started
from benchmarks.load import Exchange, LoadFailed, background_load, get_status, run_load, time_requests
from benchmarks.processes import memory_bytes, running
from benchmarks.race import CONNECTIONS, LARGE_REPEATS, Plan, Rounds, divide, load_of, measurements, tell, warm_up
from benchmarks.results import Figure, Measurement, Outcome

SMALL_CLIENTS = 32
SLICE_SECONDS = 20  # of load between two counts of the answered requests
MIB = 2**20
READY_SECONDS = 30.0
START_MODULES = ("fastapi", "uvicorn", "onnxruntime", "orjson")


def run_large_beside_small(plan: Plan, entries: list[Entry]) -> Outcome:
    entry = entries[0]
    names = ("small clients alone", "small clients beside", "small p99 beside", "one large request alone")
    rounds: Rounds = {name: [] for name in names}
    large = plan.questions.mebibyte
    with started(entry) as server:
        warm_up(server, entry.exchange)
        for number in range(plan.rounds):
            alone = load_of(server, entry.exchange, plan, connections=SMALL_CLIENTS)
            seconds = time_requests(server.port, large, count=LARGE_REPEATS)
            with background_load(server.port, large, seconds=plan.seconds):
                beside = load_of(server, entry.exchange, plan, connections=SMALL_CLIENTS)
            for name, value in zip(names, (alone.rate, beside.rate, beside.p99 * 1e3, seconds * 1e3), strict=True):
                rounds[name].append(value)
            tell(
                f"round {number + 1}/{plan.rounds}: {alone.rate:,.0f}/s alone, {beside.rate:,.0f}/s beside, "
                f"p99 {beside.p99 * 1e3:.1f} ms, a large one {seconds * 1e3:.1f} ms"
            )
        check(entry, server.port)
    rates = [Measurement(name, "requests/s", rounds[name]) for name in names[:2]]
    times = [Measurement(name, "ms", rounds[name]) for name in names[2:]]
    figures = [
        Figure("× one large request: single-row p99", "≤", 3.0, divide(rounds[names[2]], rounds[names[3]])),
        Figure("× the small clients' throughput alone", "≥", 0.5, divide(rounds[names[1]], rounds[names[0]])),
    ]
    return Outcome([*rates, *times], figures)


def run_cold_start(plan: Plan, entries: list[Entry]) -> Outcome:
    modules = [module for module in START_MODULES if importlib.util.find_spec(module)]
    rounds: Rounds = {"softmaxd": [], "imports": []}
    for number in range(plan.rounds):
        rounds["softmaxd"].append(_time_to_ready(entries[0].contender))
        rounds["imports"].append(_time_imports(modules))
        tell(
            f"round {number + 1}/{plan.rounds}: ready after {rounds['softmaxd'][-1]:.2f} s, "
            f"imports {rounds['imports'][-1]:.2f} s"
        )
    figures = [Figure("× the imports", "≤", 1.3, divide(rounds["softmaxd"], rounds["imports"]))]
    return Outcome(measurements(rounds, "s"), figures, [f'imports: `python -c "import {", ".join(modules)}"`'])


def _time_to_ready(contender: Contender) -> float:
    start = time.perf_counter()
    with launched(contender) as server:
        while time.perf_counter() - start < READY_SECONDS:
            if get_status(server.port, "/readyz") == HTTPStatus.OK:
                return time.perf_counter() - start
            time.sleep(0.001)
        raise LoadFailed(f"not ready after {READY_SECONDS} s: {server.program.last_words()}")


def _time_imports(modules: Iterable[str]) -> float:
    start = time.perf_counter()
    with running([sys.executable, "-c", f"import {', '.join(modules)}"], {}, cores=SERVER_CORE) as program:
        code = program.process.wait()
        seconds = time.perf_counter() - start
        if code:
            raise LoadFailed(f"the imports: {program.last_words()}")
        return seconds


def run_memory(plan: Plan, entries: list[Entry]) -> Outcome:
    entry = entries[0]
    with started(entry) as server:
        sent = _send_at_least(server, entry.exchange, 100_000)
        after = memory_bytes(server.program.pid) / MIB
        tell(f"{after:.1f} MiB after {sent:,} requests")
        sent = _send_at_least(server, entry.exchange, plan.soak)
        growth = memory_bytes(server.program.pid) / MIB - after
        tell(f"{growth:+.2f} MiB over the next {sent:,}")
    return Outcome(
        [Measurement("resident", "MiB", [after]), Measurement("growth", "MiB", [growth])],
        [
            Figure("resident after 100,000 requests", "≤", 110.0, [after], "MiB"),
            Figure(f"growth over the next {plan.soak:,}", "<", 5.0, [growth], "MiB"),
        ],
    )


def _send_at_least(server: Server, exchange: Exchange, count: int) -> int:
    sent, seconds = 0, 1
    while sent < count:
        load = run_load(server.port, exchange, connections=CONNECTIONS, seconds=seconds)
        sent += load.requests
        seconds = min(max(math.ceil((count - sent) / load.rate), 1), SLICE_SECONDS)
    return sent


def in_process(plan: Plan) -> float:
    """Return the median milliseconds of the least work on the large body, on the core of the servers."""
    with tempfile.NamedTemporaryFile(prefix="bench-") as body:
        body.write(plan.questions.large.body)
        body.flush()
        command = [
            "-m",
            "benchmarks.servers.inprocess",
            str(plan.questions.model),
            body.name,
            str(LARGE_REPEATS),
        ]
        with running([sys.executable, *command], {}, cores=SERVER_CORE) as program:
            code = program.process.wait()
            if code:
                raise LoadFailed(f"in process: {program.last_words()}")
            seconds: list[float] = json.loads(program.last_words())
    return statistics.median(seconds) * 1e3
