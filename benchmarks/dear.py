"""The command behind `make bench-dear`: models that take long, beside one that does not, in one process.

Two dense networks of 160 MB and 234 MB, and blobs, are served by softmaxd and by Triton, whose dynamic batcher joins
requests for a session of ONNX Runtime with the same file and the same number of threads. Each request has one row as a
binary tensor of `/v2`. With one thread, the server has one core, and wrk the other; with two, the server has both.

D1: the throughput of a large network with many requests at once, against one at a time.
D2: the p99 of requests to blobs while a large network is flooded.
D3: the part of its throughput that each of two models keeps while the other one is flooded.

Writes results/d1.json to d3.json, and README.md.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime
from tests.support.onnx_models import publish

from benchmarks import report
from benchmarks.contenders import (
    BOTH_CORES,
    FOLDER,
    SERVER_CORE,
    Contender,
    Entry,
    NotMeasured,
    Server,
    peer,
    softmaxd,
    started,
)
from benchmarks.load import LOAD_CORE, Exchange, Load, LoadFailed, WrongAnswer, background_load, run_load
from benchmarks.networks import write_dense
from benchmarks.processes import ROOT
from benchmarks.questions import v2_binary
from benchmarks.race import Rounds, divide, tell
from benchmarks.results import Figure, Measurement, Outcome, to_json
from softmaxd.models.features import Feature

NETWORKS = {
    "160 MB": (1_024, 3_340, 3_340, 3_340, 3_340, 1_000),
    "234 MB": (1_024, 4_096, 4_096, 4_096, 4_096, 1_000),
}
BLOBS = ROOT / "models" / "blobs" / "1"
AT_ONCE = 32  # requests to a large network
LIGHT = 8  # connections to blobs
FLOOD = 64  # connections that flood blobs
LONG_WARM_UP = 2  # seconds


@dataclass(frozen=True, slots=True)
class Plan:
    """The models folder, the requests, and the rounds."""

    models: Path
    questions: Mapping[str, Exchange]  # by the name of the model
    rounds: int
    seconds: int


@contextmanager
def prepared(rounds: int, seconds: int) -> Iterator[Plan]:
    """Publish the networks and blobs in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        models = Path(name) / "models"
        shutil.copytree(BLOBS, models / "blobs" / "1")
        questions = {"blobs": _question("blobs", BLOBS / "model.onnx", np.array([[15.2, 0.3]], np.float32))}
        for size, widths in NETWORKS.items():
            file = Path(name) / "network.onnx"
            write_dense(file, widths)
            model = size.replace(" ", "-")
            features = [Feature(name=f"x{index}", min=-1, max=1) for index in range(widths[0])]
            labels = [f"class {index}" for index in range(widths[-1])]
            folder = publish(models, 1, file.read_bytes(), name=model, features=features, labels=labels)
            row = np.random.default_rng(7).uniform(-1, 1, (1, widths[0])).astype(np.float32)
            questions[model] = _question(model, folder / "model.onnx", row)
        yield Plan(models, questions, rounds, seconds)


def _question(model: str, file: Path, row: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Exchange:
    session = onnxruntime.InferenceSession(str(file))
    return v2_binary(model, row, session.run(["probabilities"], {"features": row})[0])


def contenders(plan: Plan, threads: int) -> dict[str, Contender]:
    """Return softmaxd, and Triton if it can run here."""
    cores = SERVER_CORE if threads == 1 else BOTH_CORES
    # Triton refuses no request because of the time that others take.
    found = {"softmaxd": softmaxd(plan.models, cores=cores, threads=str(threads), max_queued_seconds="10")}
    try:
        triton = peer("triton", BLOBS / "model.onnx")
    except NotMeasured as error:
        tell(f"triton is not measured: {error}")
        return found
    also = [
        f"{model}={plan.models / model / '1' / 'model.onnx'},{NETWORKS[size][0]},{NETWORKS[size][-1]}"
        for size in NETWORKS
        if (model := size.replace(" ", "-"))
    ]
    command = [*triton.command, "--threads", str(threads), *(word for each in also for word in ("--also", each))]
    return {**found, "triton": replace(triton, command=command, cores=cores)}


def race(
    plan: Plan, model: str, threads: int, measure: Callable[[Server], Mapping[str, float]]
) -> tuple[Rounds, dict[str, str]]:
    """Measure each contender in turns; a peer that fails is left out. Values are by contender and name."""
    rounds: Rounds = {}
    absent: dict[str, str] = {}
    racing = contenders(plan, threads)
    for number in range(plan.rounds):
        for name in list(racing) if number % 2 == 0 else reversed(list(racing)):
            if name in absent:
                continue
            try:
                with started(Entry(racing[name], plan.questions[model])) as server:
                    run_load(server.port, plan.questions[model], connections=AT_ONCE, seconds=LONG_WARM_UP)
                    values = measure(server)
            except (LoadFailed, NotMeasured) as error:
                if not racing[name].is_peer:
                    raise
                absent[name] = str(error)
                tell(f"{name} is not measured: {error}")
                continue
            for key, value in values.items():
                rounds.setdefault(f"{name}: {key}", []).append(value)
            text = ", ".join(f"{key} {value:,.4g}" for key, value in values.items())
            tell(f"round {number + 1}/{plan.rounds}: {name}, {threads} threads: {text}")
    return {key: values for key, values in rounds.items() if key.split(":")[0] not in absent}, absent


def load(plan: Plan, server: Server, model: str, connections: int) -> Load:
    return run_load(server.port, plan.questions[model], connections=connections, seconds=plan.seconds)


def throughput(plan: Plan, model: str, threads: int) -> Outcome:
    """D1: many requests at once against one at a time."""

    def measure(server: Server) -> Mapping[str, float]:
        return {"one at a time": load(plan, server, model, 1).rate, "at once": load(plan, server, model, AT_ONCE).rate}

    rounds, absent = race(plan, model, threads, measure)
    figures = [
        Figure(
            f"× one at a time, {model}, threads {threads}",
            "≥",
            2.0,
            divide(rounds["softmaxd: at once"], rounds["softmaxd: one at a time"]),
        )
    ]
    if "triton: at once" in rounds:
        figures.append(
            Figure(
                f"× triton, {model}, threads {threads}",
                "≥",
                1.0,
                divide(rounds["softmaxd: at once"], rounds["triton: at once"]),
            )
        )
    return Outcome(_named(rounds, model, threads, "requests/s"), figures, not_measured=absent)


def beside(plan: Plan, model: str, threads: int) -> Outcome:
    """D2: requests to blobs beside a flood of a large network."""

    def measure(server: Server) -> Mapping[str, float]:
        alone = load(plan, server, "blobs", LIGHT)
        with background_load(server.port, plan.questions[model], seconds=plan.seconds, connections=AT_ONCE):
            with_flood = load(plan, server, "blobs", LIGHT)
        return {"p99 alone": alone.p99 * 1e3, "p99 beside": with_flood.p99 * 1e3}

    rounds, absent = race(plan, model, threads, measure)
    figures = []
    if "triton: p99 beside" in rounds:
        ratio = divide(rounds["softmaxd: p99 beside"], rounds["triton: p99 beside"])
        figures.append(Figure(f"× triton: p99 of blobs beside {model}, threads {threads}", "≤", 1.0, ratio))
    return Outcome(_named(rounds, model, threads, "ms"), figures, not_measured=absent)


def fairness(plan: Plan, model: str, threads: int) -> Outcome:
    """D3: the throughput of each of two models while the other one is flooded."""

    def measure(server: Server) -> Mapping[str, float]:
        light = load(plan, server, "blobs", LIGHT).rate
        dear = load(plan, server, model, AT_ONCE).rate
        with background_load(server.port, plan.questions[model], seconds=plan.seconds, connections=AT_ONCE):
            light_beside = load(plan, server, "blobs", LIGHT).rate
        with background_load(server.port, plan.questions["blobs"], seconds=plan.seconds, connections=FLOOD):
            dear_beside = load(plan, server, model, AT_ONCE).rate
        return {"blobs": light, "blobs beside": light_beside, model: dear, f"{model} beside": dear_beside}

    rounds, absent = race(plan, model, threads, measure)
    figures = [
        Figure(
            f"× alone: {name} beside a flood of {other}, threads {threads}",
            "≥",
            0.4,
            divide(rounds[f"softmaxd: {name} beside"], rounds[f"softmaxd: {name}"]),
        )
        for name, other in (("blobs", model), (model, "blobs"))
    ]
    return Outcome(_named(rounds, model, threads, "requests/s"), figures, not_measured=absent)


def _named(rounds: Rounds, model: str, threads: int, unit: str) -> list[Measurement]:
    return [Measurement(f"{name}, {model}, threads {threads}", unit, values) for name, values in rounds.items()]


SCENARIOS = {
    "D1": (f"a large network, {AT_ONCE} requests at once against one at a time", throughput),
    "D2": (f"p99 of blobs, {LIGHT} connections, beside {AT_ONCE} that flood a large network", beside),
    "D3": ("the throughput that each of two models keeps while the other one is flooded", fairness),
}


def main() -> int:
    """Measure and write the results; exit with 1 when a figure does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dear", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of every comparison (5)")
    parser.add_argument("--seconds", type=int, default=5, help="seconds of each load (5)")
    parser.add_argument("--only", default="", help="scenarios, such as D1,D3 (all)")
    parser.add_argument("--networks", default=",".join(NETWORKS), help="160 MB, 234 MB (both)")
    parser.add_argument("--threads", default="1,2", help="of ONNX Runtime, 1 or 2 (both)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where results and README.md go (benchmarks)")
    options = parser.parse_args()
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    measured = []
    with prepared(options.rounds, options.seconds) as plan:
        for key, (work, measure) in SCENARIOS.items():
            if options.only and key not in options.only.split(","):
                continue
            settings = {"rounds": plan.rounds, "seconds": plan.seconds, "load_average": os.getloadavg()[0]}
            outcome = Outcome()
            try:
                for size in options.networks.split(","):
                    for threads in map(int, options.threads.split(",")):
                        part = measure(plan, size.replace(" ", "-"), threads)
                        outcome.measurements.extend(part.measurements)
                        outcome.figures.extend(part.figures)
                        outcome.not_measured.update(part.not_measured)
            except (LoadFailed, NotMeasured, WrongAnswer) as error:
                print(f"benchmarks: {error}", file=sys.stderr)
                return 1
            measured.append(to_json(key, work, settings, outcome, {}))
            text = json.dumps(measured[-1], indent=1, ensure_ascii=False)
            (options.folder / "results").mkdir(parents=True, exist_ok=True)
            (options.folder / "results" / f"{key.lower()}.json").write_text(f"{text}\n")
    print(report.table(measured))
    report.write(options.folder, report.read(options.folder / "results"))
    return 0 if all(figure["holds"] for result in measured for figure in result["figures"]) else 1


if __name__ == "__main__":
    sys.exit(main())
