"""S1: throughput, processor time and latency by the offered load, 1 and 2 workers: `python -m benchmarks.loads`.

The load is that of many clients who rest between their requests. Its sizes are shares of the saturation, which is
measured first, by clients that never rest. The service has one core for each worker; `wrk` runs on core 1, so a second
worker shares that core with it. The processor time of a request does not depend on that as much as the throughput does.
Writes results/s1.json, and README.md.
"""

import argparse
import os
import sys
from pathlib import Path

from benchmarks import report
from benchmarks.contenders import BOTH_CORES, FOLDER, SERVER_CORE, Entry, Server, softmaxd, started
from benchmarks.load import LOAD_CORE, Exchange, Load, LoadFailed, WrongAnswer, run_load
from benchmarks.processes import ROOT, family, processor_seconds
from benchmarks.questions import Questions
from benchmarks.race import CONNECTIONS, tell
from benchmarks.results import Measurement, Outcome, to_json

KEY, WORK = "S1", "`POST /predict`, one row: processor time and latency by the offered load, 1 and 2 workers"
WORKERS = (1, 2)
SHARES = (20, 50, 80)  # of the saturation, in percent
CLIENTS = 512  # that rest between requests
SATURATED = "saturated"
UNITS = {"rate": "requests/s", "processor time": "µs", "cores": "cores", "p50": "ms", "p99": "ms"}

Values = dict[str, float]


def measure(rounds: int, seconds: int) -> Outcome:
    """Measure every load of each number of workers in turns, every second round backwards."""
    models = ROOT / "models"
    question = Questions(models / "blobs" / "2" / "model.onnx").one
    found: dict[str, list[float]] = {}
    for number in range(rounds):
        for workers in WORKERS if number % 2 == 0 else reversed(WORKERS):
            for load, values in _loads(models, question, workers, seconds).items():
                for name, value in values.items():
                    found.setdefault(f"{_worker_text(workers)}, {load}: {name}", []).append(value)
                text = ", ".join(f"{name} {value:,.4g} {UNITS[name]}" for name, value in values.items())
                tell(f"round {number + 1}/{rounds}: {_worker_text(workers)}, {load}: {text}")
    measurements = [
        Measurement(name, UNITS[name.rpartition(": ")[2]], found[name]) for name in sorted(found, key=_place)
    ]
    notes = [
        f"saturated: {CONNECTIONS} connections that never rest; the other loads: {CLIENTS} connections, each of which "
        "rests for a random time, exponentially distributed, before its next request",
        "processor time: of the service, of user and system, for a request; cores: how many of them it takes",
        "wrk runs on a core of its own beside one worker, and shares it with the second of two",
    ]
    return Outcome(measurements, notes=notes)


def _loads(models: Path, question: Exchange, workers: int, seconds: int) -> dict[str, Values]:
    """Return the values of each load, by its name."""
    cores = SERVER_CORE if workers == 1 else BOTH_CORES
    settings = {} if workers == 1 else {"workers": str(workers)}
    with started(Entry(softmaxd(models, cores=cores, **settings), question)) as server:
        run_load(server.port, question, connections=CONNECTIONS, seconds=1)
        values = {SATURATED: _run(server, question, connections=CONNECTIONS, seconds=seconds)}
        for share in SHARES:
            pause = CLIENTS / (values[SATURATED]["rate"] * share / 100)
            values[f"{share} %"] = _run(server, question, connections=CLIENTS, seconds=seconds, pause=pause)
    return values


def _run(server: Server, question: Exchange, *, connections: int, seconds: int, pause: float = 0) -> Values:
    load, processor = measured(server, question, connections=connections, seconds=seconds, pause=pause)
    return {
        "rate": load.rate,
        "processor time": processor / load.requests * 1e6,
        "cores": processor / seconds,
        "p50": load.p50 * 1e3,
        "p99": load.p99 * 1e3,
    }


def measured(
    server: Server, question: Exchange, *, connections: int, seconds: int, pause: float = 0
) -> tuple[Load, float]:
    """Return the measurements of `wrk`, and the seconds of processor time that the server took meanwhile."""
    pids = family(server.program.pid, server.program.mark)
    before = processor_seconds(pids)
    load = run_load(server.port, question, connections=connections, seconds=seconds, pause=pause)
    return load, processor_seconds(pids) - before


def _worker_text(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"


def _place(name: str) -> tuple[int, int, int]:
    """Return the place of a measurement in the table: by workers, by load, by value."""
    workers, _, rest = name.partition(", ")
    load, _, value = rest.partition(": ")
    share = 100 if load == SATURATED else int(load.split()[0])
    return int(workers.split()[0]), share, list(UNITS).index(value)


def main() -> int:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loads", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of every load (5)")
    parser.add_argument("--seconds", type=int, default=4, help="seconds of each load (4)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where results and README.md go (benchmarks)")
    options = parser.parse_args()
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    settings = {"rounds": options.rounds, "seconds": options.seconds, "load_average": os.getloadavg()[0]}
    try:
        result = to_json(KEY, WORK, settings, measure(options.rounds, options.seconds), {})
    except (LoadFailed, WrongAnswer) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    report.write_one(options.folder, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
