"""The command behind `make bench` and `make bench-peers`.

Starts every contender by itself on one core, checks first that each answers right, measures in turns, prints one table
and writes results/*.json, from which it writes README.md and the charts. Exits with 1 when a contender answers wrong
and, with --strict, when a figure does not hold.
"""

import argparse
import importlib.util
import json
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType

from benchmarks import report
from benchmarks.builds import by
from benchmarks.contenders import FOLDER, PEERS, Entry, NotMeasured, pinned, started
from benchmarks.load import LOAD_CORE, LoadFailed, WrongAnswer
from benchmarks.processes import ROOT
from benchmarks.questions import Questions
from benchmarks.race import Plan, Scenario
from benchmarks.results import Outcome, to_json
from benchmarks.scenarios import ALONE, BY_PYTHON, WITH_PEERS, ask

NEEDED_PROGRAMS = ("wrk", "taskset")
NEEDED_CORES = 2
INTERRUPTED = 130
QUIET_LOAD = 0.5  # load average


def main() -> int:
    """Run the scenarios of the command line; return the exit code."""
    options = _options()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if not options.report_only:
            _check_machine()
            os.sched_setaffinity(0, {int(LOAD_CORE)})
            _measure(options)
        results = report.read(options.folder / "results")
        report.write(options.folder, results)
    except WrongAnswer as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except LoadFailed as error:
        print(f"benchmarks: under load, {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks: interrupted; every contender was ended", file=sys.stderr)
        return INTERRUPTED
    failed = [figure for result in results for figure in result["figures"] if not figure["holds"]]
    return 1 if options.strict and failed else 0


def _measure(options: argparse.Namespace) -> None:
    plan = _plan(options)
    scenarios = _scenarios(plan, options)
    print("checking every contender", file=sys.stderr)
    scenarios = [_checked(scenario) for scenario in scenarios]
    folder = options.folder / "results"
    folder.mkdir(parents=True, exist_ok=True)
    measured = []
    for scenario in scenarios:
        print(f"{scenario.key}: {scenario.work}", file=sys.stderr)
        settings = {"rounds": plan.rounds, "seconds": plan.seconds, "load_average": os.getloadavg()[0]}
        outcome = scenario.run(plan, scenario.entries) if scenario.entries else Outcome()
        outcome = replace(outcome, not_measured=scenario.not_measured | outcome.not_measured)
        peers = dict(pinned(entry.name) for entry in scenario.entries if entry.contender.is_peer)
        measured.append(to_json(scenario.key, scenario.work, settings, outcome, peers, options.python))
        text = json.dumps(measured[-1], indent=1, ensure_ascii=False)
        (folder / f"{scenario.key.lower()}.json").write_text(f"{text}\n")
    print(report.table(measured))


def _plan(options: argparse.Namespace) -> Plan:
    models = options.models_dir.resolve()
    files = sorted(models.glob("blobs/*/model.onnx"), key=lambda file: int(file.parent.name))
    if not files:
        raise WrongAnswer("there is no blobs/*/model.onnx in the models folder; run `make train`")
    questions = Questions(files[-1])
    answers = ask(models, questions)
    return Plan(
        questions,
        models,
        options.rounds,
        options.seconds,
        options.soak,
        answers.replies,
        answers.refused,
        answers.notes,
    )


def _scenarios(plan: Plan, options: argparse.Namespace) -> list[Scenario]:
    only = {key.strip().upper() for key in options.only.split(",")} - {""}
    found = []
    own = BY_PYTHON if _is_other(options) else ALONE
    for make in WITH_PEERS if options.peers else own:
        try:
            scenario = make(plan)
        except NotMeasured as error:
            print(f"{make.__name__} is not measured: {error}", file=sys.stderr)
            continue
        if not only or scenario.key.upper() in only or scenario.key.split("-")[0] in only:
            found.append(_by_python(scenario, options.python) if _is_other(options) else scenario)
    return found


def _is_other(options: argparse.Namespace) -> bool:
    return bool(options.python != sys.executable)


def _by_python(scenario: Scenario, python: str) -> Scenario:
    """Return a scenario of its own, in another Python."""
    entries = [by(python, entry) for entry in scenario.entries]
    work = f"{scenario.work}, in the Python of the image"
    return replace(scenario, key=f"{scenario.key}-image", work=work, entries=entries)


def _checked(scenario: Scenario) -> Scenario:
    """Start, check and end every contender; leave out those that cannot be measured here."""
    entries, absent = [], dict(scenario.not_measured)
    for entry in scenario.entries:
        try:
            _start_once(entry)
            entries.append(entry)
        except NotMeasured as error:
            absent[entry.name] = str(error)
    for name, reason in absent.items():
        print(f"  {scenario.key}: {name} is not measured: {reason}", file=sys.stderr)
    return replace(scenario, entries=entries, not_measured=absent)


def _start_once(entry: Entry) -> None:
    with started(entry):
        return


def _check_machine() -> None:
    for program in NEEDED_PROGRAMS:
        if shutil.which(program) is None:
            raise WrongAnswer(f"{program} is not installed")
    if importlib.util.find_spec("simdjson") is None:
        raise WrongAnswer("the Python package pysimdjson is not installed")
    if len(os.sched_getaffinity(0)) < NEEDED_CORES:
        raise WrongAnswer("two cores are needed: one for the server, one for the load generator")
    if os.getloadavg()[0] > QUIET_LOAD:
        print("the machine is busy: the figures of this run are for development only", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--peers", action="store_true", help=f"measure against {', '.join(PEERS)} instead")
    python = "another Python, with the service, for P1 and P2: the image's (this one)"
    parser.add_argument("--python", type=os.path.abspath, default=sys.executable, help=python)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of every comparison (5)")
    parser.add_argument("--seconds", type=int, default=5, help="seconds of load a round and contender (5)")
    parser.add_argument("--soak", type=int, default=1_000_000, help="requests of the memory figure (1000000)")
    parser.add_argument("--only", default="", help="figures to measure, such as P1,P4 (all)")
    parser.add_argument("--models-dir", type=Path, default=ROOT / "models", help="the models folder (models)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where results and README.md go (benchmarks)")
    parser.add_argument("--report-only", action="store_true", help="write README.md and the charts from the results")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a figure does not hold")
    return parser.parse_args()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
