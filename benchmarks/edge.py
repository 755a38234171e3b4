"""S3: the processor time that HAProxy in front of the service costs: `python -m benchmarks.edge`.

HAProxy has the configuration of deploy/haproxy, with TLS, and one replica behind it. Its limit of requests is raised,
as one client sends all of them. The same load goes to the service itself, in turns. The service runs on core 0, `wrk`
on core 1, HAProxy on both. Writes results/s3.json, and README.md.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.edge import Edge
from tests.support.names import Names
from tests.support.processes import living

from benchmarks import report
from benchmarks.contenders import BOTH_CORES, FOLDER, Entry, NotMeasured, Server, softmaxd, started
from benchmarks.load import HOST, Exchange, LoadFailed, WrongAnswer, run_load
from benchmarks.processes import ROOT, family, processor_seconds
from benchmarks.questions import Questions
from benchmarks.race import tell
from benchmarks.results import Measurement, Outcome, to_json

KEY, WORK = "S3", "`POST /predict`, one row, 128 connections: the service alone, and behind HAProxy with TLS"
CONNECTIONS = 128
ALONE, BEHIND = "alone", "behind HAProxy"
UNITS = {
    "rate": "requests/s",
    "processor time of the service": "µs",
    "processor time of HAProxy": "µs",
    "p50": "ms",
    "p99": "ms",
}

Values = dict[str, float]


@dataclass(frozen=True, slots=True)
class Way:
    """A way to the service: its port and scheme, and the processes of a proxy on it."""

    port: int
    scheme: str
    proxy: Callable[[], set[int]] = set


@contextmanager
def ways(models: Path, question: Exchange) -> Iterator[tuple[Server, dict[str, Way]]]:
    """Start the service, and HAProxy before it."""
    if shutil.which("haproxy") is None or shutil.which("openssl") is None:
        raise NotMeasured("haproxy or openssl is not installed")
    with (
        started(Entry(softmaxd(models), question)) as server,
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Names(HOST) as names,
        Edge(Path(folder), names, server.port) as edge,
    ):
        edge.wait_for(replicas=1)
        yield (
            server,
            {
                ALONE: Way(server.port, "http"),
                BEHIND: Way(edge.port, "https", lambda: set(living(edge.process.pid))),
            },
        )


def measure(rounds: int, seconds: int) -> Outcome:
    """Measure both ways in turns, every second round backwards."""
    models = ROOT / "models"
    question = Questions(models / "blobs" / "2" / "model.onnx").one
    found: dict[str, dict[str, list[float]]] = {name: {value: [] for value in UNITS} for name in (ALONE, BEHIND)}
    with ways(models, question) as (server, by_name):
        for way in by_name.values():
            _run(server, way, question, 1)
        for number in range(rounds):
            for name in by_name if number % 2 == 0 else reversed(by_name):
                values = _run(server, by_name[name], question, seconds)
                for each, value in values.items():
                    found[name][each].append(value)
                text = ", ".join(f"{each} {value:,.4g} {UNITS[each]}" for each, value in values.items())
                tell(f"round {number + 1}/{rounds}: {name}: {text}")
    measurements = [
        Measurement(f"{name}: {each}", UNITS[each], rounds_of)
        for name, values in found.items()
        for each, rounds_of in values.items()
        if any(rounds_of)  # alone, there is no HAProxy
    ]
    notes = [
        "processor time: of user and system, for a request; HAProxy encrypts, limits, logs failures and gives each "
        "request an id, by which its head differs from all others",
        "the service had core 0, wrk core 1, and HAProxy both: the rates show how three programs share two cores",
    ]
    return Outcome(measurements, notes=notes)


def _run(server: Server, way: Way, question: Exchange, seconds: int) -> Values:
    service, proxy = family(server.program.pid, server.program.mark), way.proxy()
    before = processor_seconds(service), processor_seconds(proxy)
    load = run_load(way.port, question, connections=CONNECTIONS, seconds=seconds, scheme=way.scheme)
    after = processor_seconds(service), processor_seconds(proxy)
    mine, its = ((now - then) / load.requests * 1e6 for now, then in zip(after, before, strict=True))
    return {
        "rate": load.rate,
        "processor time of the service": mine,
        "processor time of HAProxy": its,
        "p50": load.p50 * 1e3,
        "p99": load.p99 * 1e3,
    }


def main() -> int:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.edge", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of both ways (5)")
    parser.add_argument("--seconds", type=int, default=4, help="seconds of each load (4)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where results and README.md go (benchmarks)")
    options = parser.parse_args()
    os.sched_setaffinity(0, {int(core) for core in BOTH_CORES.split(",")})
    settings = {"rounds": options.rounds, "seconds": options.seconds, "load_average": os.getloadavg()[0]}
    try:
        result = to_json(KEY, WORK, settings, measure(options.rounds, options.seconds), {})
    except (LoadFailed, NotMeasured, WrongAnswer) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    report.write_one(options.folder, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
