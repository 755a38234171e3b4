"""The command behind `make overload`: more load than the service can bear, and many idle connections.

The load is an open loop on one core, the server runs on the other. So that the generator is never the limit, the model
of the overload is slow: each row takes some milliseconds, and rows in one batch are not cheaper. A run is bounded:
about two minutes, 2,000 connections, loopback only. Writes results/o1.json and results/o2.json, and README.md.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import numpy as np
from onnx import helper
from tests.support.onnx_models import classifier, publish

from benchmarks import report
from benchmarks.contenders import FOLDER, Entry, Server, softmaxd, started
from benchmarks.load import HOST, LOAD_CORE, Exchange, LoadFailed, Reply, WrongAnswer, run_load
from benchmarks.openloop import Sample, offer, saturate
from benchmarks.processes import ROOT, memory_bytes
from benchmarks.questions import Questions
from benchmarks.results import Figure, Measurement, Outcome, to_json

SIDE = 128  # of the matrices that a row is multiplied by; a batch of them fits into the cache
PRODUCTS = 500
MIB = 2**20
HIGH, OVER = 0.8, 3.0  # loads, by saturation
SATURATING = 16  # connections of the closed loop that finds the saturation
NORMAL_AFTER = 5.0  # seconds after the overload
REFUSALS = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
IDLE = 2_000
CONNECTIONS = 64

Samples = Sequence[Sample]


def publish_slow_rows(models: Path) -> None:
    """Publish `slow`: each row makes a matrix, which is multiplied by another one several times."""
    side = np.eye(SIDE, dtype=np.float32)
    nodes = [
        helper.make_node("Gather", ["features", "first"], ["x1"], axis=1),
        helper.make_node("Reshape", ["x1", "as matrix"], ["scalars"]),
        helper.make_node("Mul", ["scalars", "side"], ["product 0"]),
        *(
            helper.make_node("MatMul", [f"product {index}", "side"], [f"product {index + 1}"])
            for index in range(PRODUCTS)
        ),
        helper.make_node("ReduceMean", [f"product {PRODUCTS}", "axes"], ["mean"], keepdims=0),
        helper.make_node("Reshape", ["mean", "as column"], ["column"]),
        helper.make_node("Add", ["features", "column"], ["logits"]),
    ]
    constants = {
        "first": np.array(0),
        "as matrix": np.array([-1, 1, 1]),
        "side": side,
        "axes": np.array([1, 2]),
        "as column": np.array([-1, 1]),
    }
    content = classifier(nodes, constants, classes=2).SerializeToString()
    publish(models, 1, content, name="slow", labels=["one", "two"])


def _answers(reply: Reply) -> None:
    if reply.status != HTTPStatus.OK or b'"labels":["one"]' not in reply.body:
        raise WrongAnswer(f"{reply.status}: {reply.body[:200]!r}")


ONE_ROW = Exchange("/predict", b'{"instances":[[2.0,1.0]]}', _answers)


class Peak:
    """The most resident memory of a process while it is watched, read ten times a second."""

    def __init__(self, pid: int) -> None:
        self.bytes = memory_bytes(pid)
        self._pid = pid
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch)

    def __enter__(self) -> "Peak":
        self._watcher.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            self.bytes = max(self.bytes, memory_bytes(self._pid))


NAMES = {  # of the measurements, with their units
    "saturation": "requests/s",
    "goodput": "requests/s",
    "refused": "%",
    "refused at 80 %": "%",
    "refused afterwards": "%",
    "p99": "ms",
    "p99 at 80 %": "ms",
    "p99 afterwards": "ms",
    "resident growth": "MiB",
}


def overload(seconds: int, rounds: int) -> Outcome:
    """Measure the service at 80 % of its saturation, far above it, and at 80 % again soon after."""
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        publish_slow_rows(Path(folder))
        for number in range(rounds):
            with started(Entry(softmaxd(Path(folder)), ONE_ROW)) as server:
                values = asyncio.run(_overload(server, seconds, seed=number))
            for name, value in values.items():
                found[name].append(value)
            text = ", ".join(f"{name} {value:.3g} {NAMES[name]}" for name, value in values.items())
            print(f"O1, round {number + 1}/{rounds}: {text}", file=sys.stderr)
    usual = found["p99 at 80 %"]
    return Outcome(
        [Measurement(name, NAMES[name], found[name]) for name in NAMES],
        [
            Figure("× the saturation: goodput", "≥", 0.9, _divide(found["goodput"], found["saturation"])),
            Figure("× the same at 80 %: p99 of the accepted requests", "≤", 3.0, _divide(found["p99"], usual)),
            Figure(
                f"× the same at 80 %: p99 from {NORMAL_AFTER:g} s after the overload",
                "≤",
                2.0,
                _divide(found["p99 afterwards"], usual),
            ),
            Figure("refused at 80 %", "≤", 1.0, found["refused at 80 %"], "%"),
            Figure("refused afterwards", "≤", 1.0, found["refused afterwards"], "%"),
            Figure("growth of the resident memory", "≤", 64.0, found["resident growth"], "MiB"),
        ],
        [
            "the load comes as a Poisson process, and a latency counts from the moment at which its request was due",
            "every other answer was a 429 or 503 with `Retry-After`: the run fails otherwise",
        ],
    )


async def _overload(server: Server, seconds: int, seed: int) -> dict[str, float]:
    port = server.port
    await saturate(port, ONE_ROW, connections=SATURATING, seconds=2)
    closed = await saturate(port, ONE_ROW, connections=SATURATING, seconds=seconds / 2)
    saturation = _goodput(closed)
    high = await offer(port, ONE_ROW, rate=HIGH * saturation, seconds=seconds, seed=seed)
    before = memory_bytes(server.program.pid)
    with Peak(server.program.pid) as peak:
        over = await offer(port, ONE_ROW, rate=OVER * saturation, seconds=seconds, seed=seed)
    after = await offer(port, ONE_ROW, rate=HIGH * saturation, seconds=NORMAL_AFTER + seconds / 2, seed=seed)
    normal = [sample for sample in after if sample.due >= NORMAL_AFTER]
    return {
        "saturation": saturation,
        "goodput": _goodput(over),
        "refused": _refused(over),
        "refused at 80 %": _refused(high),
        "refused afterwards": _refused(normal),
        "p99": _p99(over),
        "p99 at 80 %": _p99(high),
        "p99 afterwards": _p99(normal),
        "resident growth": (peak.bytes - before) / MIB,
    }


def _goodput(samples: Samples) -> float:
    """Return how many requests a second were accepted."""
    return len(_accepted(samples)) / max(sample.due + sample.seconds for sample in samples)


def _refused(samples: Samples) -> float:
    """Return the share of the requests that were refused, in percent."""
    return 100 * (1 - len(_accepted(samples)) / len(samples))


def _accepted(samples: Samples) -> list[Sample]:
    """Return the samples that were answered with 200. Every other one has to be a refusal as it should be."""
    for sample in samples:
        if sample.status != HTTPStatus.OK and not (sample.status in REFUSALS and sample.has_retry_after):
            raise LoadFailed(f"a request was answered {sample.status or 'not at all'}")
    return [sample for sample in samples if sample.status == HTTPStatus.OK]


def _p99(samples: Samples) -> float:
    """Return the 99th percentile of the latencies of accepted requests, in milliseconds."""
    return statistics.quantiles([sample.seconds * 1e3 for sample in _accepted(samples)], n=100)[98]


def idle_connections(seconds: int, rounds: int) -> Outcome:
    """Measure small requests with and without many idle connections, in turns."""
    models = ROOT / "models"
    question = Questions(models / "blobs" / "2" / "model.onnx").one
    rates: dict[str, list[float]] = {"alone": [], f"beside {IDLE:,} idle connections": []}
    with started(Entry(softmaxd(models), question)) as server:
        run_load(server.port, question, connections=CONNECTIONS, seconds=1)
        for number in range(rounds):
            for idle in (0, IDLE) if number % 2 == 0 else (IDLE, 0):
                with _idle(server, question, idle):
                    load = run_load(server.port, question, connections=CONNECTIONS, seconds=seconds)
                rates[list(rates)[idle > 0]].append(load.rate)
    alone, beside = rates.values()
    figure = Figure(f"× the throughput without {IDLE:,} idle connections", "≥", 0.95, _divide(beside, alone))
    print(f"O2: {statistics.median(alone):,.0f}/s alone, {statistics.median(beside):,.0f}/s beside", file=sys.stderr)
    return Outcome([Measurement(name, "requests/s", values) for name, values in rates.items()], [figure])


@contextmanager
def _idle(server: Server, exchange: Exchange, count: int) -> Iterator[None]:
    """Keep connections open that have each had a request answered."""

    async def open_all() -> None:
        nonlocal writers
        for _ in range(count):
            reader, writer = await asyncio.open_connection(HOST, server.port)
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"}")
            writers.append(writer)

    writers: list[asyncio.StreamWriter] = []
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(open_all())
        yield
    finally:
        for writer in writers:
            writer.close()
        loop.run_until_complete(asyncio.sleep(0.1))
        loop.close()


def _divide(values: Sequence[float], by: Sequence[float]) -> list[float]:
    return [value / base for value, base in zip(values, by, strict=True)]


SCENARIOS = {
    "O1": (f"{OVER:g} × the saturation of a slow model, open loop", overload),
    "O2": (f"`POST /predict`, one row, {CONNECTIONS} connections, beside {IDLE:,} idle ones", idle_connections),
}


def main() -> int:
    """Measure both and write the results; exit with 1 when a figure does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overload", description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="seconds of overload, and of the load before it (30)")
    parser.add_argument("--rounds", type=int, default=1, help="rounds of the overload (1)")
    parser.add_argument("--only", choices=SCENARIOS, help="the only one to measure")
    options = parser.parse_args()
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    measured = []
    for key, (work, measure) in SCENARIOS.items():
        if options.only in {None, key}:
            seconds, rounds = (options.seconds, options.rounds) if key == "O1" else (4, 5)
            settings = {"rounds": rounds, "seconds": seconds, "load_average": os.getloadavg()[0]}
            try:
                outcome = measure(seconds, rounds)
            except (LoadFailed, WrongAnswer) as error:
                print(f"benchmarks: under load, {error}", file=sys.stderr)
                return 1
            if os.nice(0) < 0:
                outcome.notes.append("server and generator had priority over other programs of the machine")
            measured.append(to_json(key, work, settings, outcome, {}))
            text = json.dumps(measured[-1], indent=1, ensure_ascii=False)
            (FOLDER / "results" / f"{key.lower()}.json").write_text(f"{text}\n")
    print(report.table(measured))
    report.write(FOLDER, report.read(FOLDER / "results"))
    return 0 if all(figure["holds"] for result in measured for figure in result["figures"]) else 1


if __name__ == "__main__":
    sys.exit(main())
