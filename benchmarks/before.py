"""The command behind `make bench-before`: this tree against another checkout of the project, in turns in one sitting.

The other checkout needs its own `.venv` (`make run` or `make test` makes it there). A ratio above 1 means that this
tree is better: more requests in a second, or less time for a large body.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.contenders import Contender, Entry, softmaxd
from benchmarks.load import LOAD_CORE, Exchange
from benchmarks.processes import ROOT
from benchmarks.questions import Questions
from benchmarks.race import Plan, divide, race, rate, time_large


def main() -> None:
    """Measure P1, P2, P3 and P5 of both trees and print the ratios."""
    options = _options()
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    models = ROOT / "models"
    questions = Questions(models / "blobs" / "2" / "model.onnx")
    plan = Plan(questions, models, options.rounds, options.seconds, soak=0)
    before = _before(options.checkout.resolve(), models)
    print("| | | ratio | min … max |\n| --- | --- | ---: | --- |")
    for key, question in _questions(questions).items():
        if not options.only or key in options.only.split(","):
            print(_row(key, _compare(plan, before, question), question), flush=True)


def _questions(questions: Questions) -> Mapping[str, Exchange]:
    return {
        "P1": questions.one,
        "P2": questions.softmax,
        "P3-json": questions.v2_one,
        "P3-binary": questions.v2_one_binary,
        "P5": questions.large,
    }


def _before(checkout: Path, models: Path) -> Contender:
    """Return the service of another checkout, run by its own interpreter."""
    program = checkout / ".venv" / "bin" / "softmaxd"
    if not program.exists():
        sys.exit(f"{program} does not exist: set the checkout up with `make run`")
    return replace(softmaxd(models, name="before"), command=[str(program), "serve", "--port", "{port}"])


def _compare(plan: Plan, before: Contender, question: Exchange) -> list[float]:
    """Return the ratio of each round: how much better this tree is."""
    is_large = question is plan.questions.large
    entries = [Entry(softmaxd(plan.models), question), Entry(before, question)]
    rounds = race(entries, time_large if is_large else rate(plan), plan, {})
    ours, theirs = rounds["softmaxd"], rounds["before"]
    return divide(theirs, ours) if is_large else divide(ours, theirs)


def _row(key: str, ratios: list[float], question: Exchange) -> str:
    middle = statistics.median(ratios)
    return f"| {key} | `POST {question.path}` | {middle:.3f} | {min(ratios):.3f} … {max(ratios):.3f} |"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.before", description=__doc__)
    parser.add_argument("checkout", type=Path, help="another checkout of the project, with its .venv")
    parser.add_argument("--rounds", type=int, default=10, help="rounds of every comparison (10)")
    parser.add_argument("--seconds", type=int, default=3, help="seconds of load a round and tree (3)")
    parser.add_argument("--only", default="", help="figures to measure, such as P1,P5 (all)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
