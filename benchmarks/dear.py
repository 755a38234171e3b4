"""The command behind `make bench-dear`: models that take long, beside one that does not, in one process.

Two dense networks of 160 MB and 234 MB, and blobs, are served by softmaxd and by Triton, whose dynamic batcher joins
requests for a session of ONNX Runtime with the same file and the same number of threads. Each request has one row as a
binary tensor of `/v2`. With one thread, the server has one core, and wrk the other; with two, the server has both.

D1: the throughput of a large network with many requests at once, against one at a time.
D2: the p99 of requests to blobs while a large network is flooded.
D3: the part of its throughput that each of two models keeps while the other one is flooded.

A server is started once a round, and each load runs once for all figures that need it: about 13 minutes in all.
Writes results/d1.json to d3.json, and README.md.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
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
    check,
    peer,
    softmaxd,
    started,
)
from benchmarks.load import LOAD_CORE, Exchange, LoadFailed, WrongAnswer, background_load, run_load
from benchmarks.networks import write_dense
from benchmarks.processes import ROOT
from benchmarks.questions import v2_binary
from benchmarks.race import WARM_UP_SECONDS, Rounds, divide, tell
from benchmarks.results import Figure, Measurement, Outcome, to_json
from softmaxd.models.features import Feature

NETWORKS = {
    "160-MB": (1_024, 3_340, 3_340, 3_340, 3_340, 1_000),
    "234-MB": (1_024, 4_096, 4_096, 4_096, 4_096, 1_000),
}
BLOBS = ROOT / "models" / "blobs" / "1"
AT_ONCE = 32  # requests to a large network
LIGHT = 8  # connections to blobs
FLOOD = 64  # connections that flood blobs


@dataclass(frozen=True, slots=True)
class Plan:
    """The models folder, the requests, the networks and scenarios to measure, and the rounds."""

    models: Path
    questions: Mapping[str, Exchange]  # by the name of the model
    networks: Mapping[str, Sequence[int]]  # widths by the name of the model
    scenarios: Container[str]
    rounds: int
    seconds: int  # of each load


@contextmanager
def prepared(networks: Sequence[str], scenarios: Container[str], rounds: int, seconds: int) -> Iterator[Plan]:
    """Publish the networks, by their names, and blobs in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        models = Path(name) / "models"
        shutil.copytree(BLOBS, models / "blobs" / "1")
        questions = {"blobs": _question("blobs", BLOBS / "model.onnx", np.array([[15.2, 0.3]], np.float32))}
        file = Path(name) / "network.onnx"
        for model in networks:
            widths = NETWORKS[model]
            write_dense(file, widths)
            features = [Feature(name=f"x{index}", min=-1, max=1) for index in range(widths[0])]
            labels = [f"class {index}" for index in range(widths[-1])]
            folder = publish(models, 1, file.read_bytes(), name=model, features=features, labels=labels)
            row = np.random.default_rng(7).uniform(-1, 1, (1, widths[0])).astype(np.float32)
            questions[model] = _question(model, folder / "model.onnx", row)
        file.unlink(missing_ok=True)
        yield Plan(models, questions, {name: NETWORKS[name] for name in networks}, scenarios, rounds, seconds)


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
        f"{model}={plan.models / model / '1' / 'model.onnx'},{widths[0]},{widths[-1]}"
        for model, widths in plan.networks.items()
    ]
    command = [*triton.command, "--threads", str(threads), *(word for each in also for word in ("--also", each))]
    return {**found, "triton": replace(triton, command=command, cores=cores)}


def race(plan: Plan, threads: int) -> tuple[dict[str, Rounds], dict[str, str]]:
    """Measure each contender in turns; a peer that fails is left out. Values are by contender and name."""
    rounds: dict[str, Rounds] = {}
    absent: dict[str, str] = {}
    racing = contenders(plan, threads)
    for number in range(plan.rounds):
        for name in list(racing) if number % 2 == 0 else reversed(list(racing)):
            if name in absent:
                continue
            tell(f"round {number + 1}/{plan.rounds}: {name}, {threads} threads")
            try:
                values = sitting(plan, racing[name])
            except (LoadFailed, NotMeasured) as error:
                if not racing[name].is_peer:
                    raise
                absent[name] = str(error)
                tell(f"{name} is not measured: {error}")
                continue
            for key, value in values.items():
                rounds.setdefault(name, {}).setdefault(key, []).append(value)
    return {name: values for name, values in rounds.items() if name not in absent}, absent


def sitting(plan: Plan, contender: Contender) -> dict[str, float]:
    """Start a contender once, and return the values of all loads that the scenarios need, each run once."""
    values: dict[str, float] = {}

    def note(name: str, model: str, connections: int) -> None:
        found = run_load(server.port, plan.questions[model], connections=connections, seconds=plan.seconds)
        values[name], values[f"{name}, p99"] = found.rate, found.p99 * 1e3
        tell(f"  {name}: {found.rate:,.4g} requests/s, p99 {found.p99 * 1e3:,.4g} ms")

    def flood(model: str, connections: int) -> AbstractContextManager[None]:
        return background_load(server.port, plan.questions[model], seconds=plan.seconds, connections=connections)

    with started(Entry(contender, plan.questions["blobs"])) as server:
        run_load(server.port, plan.questions["blobs"], connections=LIGHT, seconds=WARM_UP_SECONDS)
        if "D2" in plan.scenarios or "D3" in plan.scenarios:
            note("blobs", "blobs", LIGHT)
        for model in plan.networks:
            check(Entry(contender, plan.questions[model], f"{contender.name}, {model}"), server.port)
            run_load(server.port, plan.questions[model], connections=AT_ONCE, seconds=WARM_UP_SECONDS)
            if "D1" in plan.scenarios:
                note(f"{model}, one at a time", model, 1)
            if "D1" in plan.scenarios or "D3" in plan.scenarios:
                note(model, model, AT_ONCE)
            if "D2" in plan.scenarios or "D3" in plan.scenarios:
                with flood(model, AT_ONCE):
                    note(f"blobs beside {model}", "blobs", LIGHT)
            if "D3" in plan.scenarios:
                with flood("blobs", FLOOD):
                    note(f"{model} beside blobs", model, AT_ONCE)
    return values


def throughput(rounds: Mapping[str, Rounds], model: str, threads: int) -> Outcome:
    """D1: many requests at once against one at a time."""
    ours, where = rounds["softmaxd"], f"{model}, threads {threads}"
    figures = [Figure(f"× one at a time, {where}", "≥", 2.0, divide(ours[model], ours[f"{model}, one at a time"]))]
    if "triton" in rounds:
        figures.append(Figure(f"× triton, {where}", "≥", 1.0, divide(ours[model], rounds["triton"][model])))
    names = {f"{model}, one at a time": "one at a time", model: "at once"}
    return Outcome(_measured(rounds, names, where, "requests/s"), figures)


def beside(rounds: Mapping[str, Rounds], model: str, threads: int) -> Outcome:
    """D2: requests to blobs beside a flood of a large network."""
    name, where, figures = f"blobs beside {model}, p99", f"{model}, threads {threads}", []
    if "triton" in rounds:
        ratio = divide(rounds["softmaxd"][name], rounds["triton"][name])
        figures.append(Figure(f"× triton: p99 of blobs beside {where}", "≤", 1.0, ratio))
    return Outcome(_measured(rounds, {"blobs, p99": "p99 alone", name: "p99 beside"}, where, "ms"), figures)


def fairness(rounds: Mapping[str, Rounds], model: str, threads: int) -> Outcome:
    """D3: the throughput of each of two models while the other one is flooded."""
    ours, where = rounds["softmaxd"], f"{model}, threads {threads}"
    names: dict[str, str] = {}
    figures = []
    for name, other in (("blobs", model), (model, "blobs")):
        shares = divide(ours[f"{name} beside {other}"], ours[name])
        figures.append(Figure(f"× alone: {name} beside a flood of {other}, threads {threads}", "≥", 0.4, shares))
        names |= {name: name, f"{name} beside {other}": f"{name} beside"}
    return Outcome(_measured(rounds, names, where, "requests/s"), figures)


def _measured(rounds: Mapping[str, Rounds], names: Mapping[str, str], where: str, unit: str) -> list[Measurement]:
    """Return the values of all contenders, by the names that they have in the table."""
    return [
        Measurement(f"{contender}: {text}, {where}", unit, values[name])
        for contender, values in rounds.items()
        for name, text in names.items()
    ]


SCENARIOS = {
    "D1": (f"a large network, {AT_ONCE} requests at once against one at a time", throughput),
    "D2": (f"p99 of blobs, {LIGHT} connections, beside {AT_ONCE} that flood a large network", beside),
    "D3": ("the throughput that each of two models keeps while the other one is flooded", fairness),
}


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dear", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of every comparison (5)")
    parser.add_argument("--seconds", type=int, default=3, help="seconds of each load (3)")
    parser.add_argument("--only", default=",".join(SCENARIOS), help="scenarios, such as D1,D3 (all)")
    parser.add_argument("--networks", default=",".join(NETWORKS), help="160-MB, 234-MB (both)")
    parser.add_argument("--threads", default="1,2", help="of ONNX Runtime, 1 or 2 (both)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where results and README.md go (benchmarks)")
    options = parser.parse_args(arguments)
    for name, known in (("only", SCENARIOS), ("networks", NETWORKS), ("threads", ("1", "2"))):
        if unknown := set(getattr(options, name).split(",")) - set(known):
            parser.error(f"--{name}: {', '.join(sorted(unknown))} is none of {', '.join(known)}")
    return options


def measure(plan: Plan, threads: Sequence[int]) -> dict[str, Outcome]:
    """Return the outcome of each scenario."""
    outcomes = {key: Outcome() for key in SCENARIOS if key in plan.scenarios}
    for count in threads:
        rounds, absent = race(plan, count)
        for key, outcome in outcomes.items():
            outcome.not_measured.update(absent)
            for model in plan.networks:
                part = SCENARIOS[key][1](rounds, model, count)
                outcome.measurements.extend(part.measurements)
                outcome.figures.extend(part.figures)
    return outcomes


def main() -> int:
    """Measure and write the results; exit with 1 when a figure does not hold."""
    options = options_of()
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    settings = {"rounds": options.rounds, "seconds": options.seconds, "load_average": os.getloadavg()[0]}
    chosen = options.networks.split(","), options.only.split(",")
    try:
        with prepared(*chosen, options.rounds, options.seconds) as plan:
            outcomes = measure(plan, [int(each) for each in options.threads.split(",")])
    except (LoadFailed, NotMeasured, WrongAnswer) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    measured = [to_json(key, SCENARIOS[key][0], settings, outcome, {}) for key, outcome in outcomes.items()]
    (options.folder / "results").mkdir(parents=True, exist_ok=True)
    for result in measured:
        text = json.dumps(result, indent=1, ensure_ascii=False)
        (options.folder / "results" / f"{result['scenario'].lower()}.json").write_text(f"{text}\n")
    print(report.table(measured))
    report.write(options.folder, report.read(options.folder / "results"))
    return 0 if all(figure["holds"] for result in measured for figure in result["figures"]) else 1


if __name__ == "__main__":
    sys.exit(main())
