"""S2: a run of a small model in the process, against one hop to an actor of Ray: `python -m benchmarks.hops`.

Both run the same ONNX file in a session of one thread, on both cores, in turns. The environment of Ray is that of
`make bench-peers`; it is made when it is not there. Writes results/s2.json, and README.md.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from benchmarks import report
from benchmarks.contenders import BOTH_CORES, FOLDER, NotMeasured, peer, pinned
from benchmarks.load import LoadFailed
from benchmarks.processes import ROOT, running
from benchmarks.race import divide
from benchmarks.results import Figure, Measurement, Outcome, to_json

KEY, WORK = "S2", "one run of the blobs model, one row: in the process, and by an actor of Ray"
HERE = "in the process"
LEAST_RATIO = 10.0  # below which a framework of actors would be worth another look
START_SECONDS = 120

Rounds = dict[str, list[dict[str, float]]]


def measure(rounds: int, seconds: int) -> Outcome:
    """Run the program in the environment of Ray, and return its times in microseconds."""
    model = ROOT / "models" / "blobs" / "2" / "model.onnx"
    found = _run(model, rounds, seconds)
    measurements = [
        Measurement(f"{name}: {clock}", "µs", [each[key] * 1e6 for each in values])
        for key, clock in (("processor", "processor time"), ("clock", "time"))
        for name, values in found.items()
    ]
    processor = {name: [each["processor"] for each in values] for name, values in found.items()}
    figures = [
        Figure(f"× in the process: processor time {name}", "≥", LEAST_RATIO, divide(values, processor[HERE]))
        for name, values in processor.items()
        if name != HERE
    ]
    notes = [
        "processor time of an actor's run: of the caller, of the actor and of Ray's own processes, less their idling",
        f"a ratio below {LEAST_RATIO:g} would speak for actors (docs/decisions.md)",
    ]
    return Outcome(measurements, figures, notes)


def _run(model: Path, rounds: int, seconds: int) -> Rounds:
    ray = peer("ray", model)
    command = [ray.command[0], str(FOLDER / "peers" / "ray" / "actor.py"), "--model", str(model)]
    options = ["--rounds", str(rounds), "--seconds", str(seconds)]
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        words = {"PATH": ray.environment["PATH"], "PYTHONPATH": "", "RAY_TMPDIR": folder, "TMPDIR": folder}
        with running([*command, *options], words, cores=BOTH_CORES, folder=Path(folder)) as program:
            if program.process.wait(START_SECONDS + 10 * rounds * seconds):
                raise LoadFailed(f"the actor's program ended: {program.last_words()}")
            return _read(program.log)


def _read(log: Path) -> Rounds:
    """Return the rounds in the last line of the log that is JSON."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
    rounds: Rounds = json.loads(lines[-1])
    return rounds


def main() -> int:
    """Measure, print, and write the results; exit with 1 when a figure does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hops", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of every way (5)")
    parser.add_argument("--seconds", type=int, default=4, help="seconds of each way, and of idling, in a round (4)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where results and README.md go (benchmarks)")
    options = parser.parse_args()
    settings = {"rounds": options.rounds, "seconds": options.seconds, "load_average": os.getloadavg()[0]}
    try:
        result = to_json(KEY, WORK, settings, measure(options.rounds, options.seconds), dict([pinned("ray")]))
    except (LoadFailed, NotMeasured) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    print(report.table([result]))
    report.write_one(options.folder, result)
    return 0 if all(figure["holds"] for figure in result["figures"]) else 1


if __name__ == "__main__":
    sys.exit(main())
