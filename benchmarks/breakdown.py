"""The command behind `make profile`: the processor time of a request, and the parts that it is made of.

Three servers take turns under the same load: the service, whose processor time is the sum; a constant answer from the
same event loop, whose processor time is that of the loop and the kernel; and the service with a watch over its parts.
The least of all rounds counts. The difference between the sum and all parts is shown as the rest.

`--write` puts the table into docs/performance.md.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http import HTTPStatus
from operator import sub
from pathlib import Path

from benchmarks.builds import told
from benchmarks.contenders import SERVER_CORE, Contender, Entry, Server, check, softmaxd, started
from benchmarks.load import LOAD_CORE, Exchange, LoadFailed, WrongAnswer, run_load, send
from benchmarks.loads import measured
from benchmarks.processes import ROOT
from benchmarks.questions import Questions, constant
from benchmarks.race import CONNECTIONS, tell, warm_up
from benchmarks.results import Outcome, to_json
from benchmarks.scaling import fill
from benchmarks.watch import BATCHING, BODY, HEAD, METRICS, RUN, TEXT, WRITING, read

PAGE = ROOT / "docs" / "performance.md"
SUM, LOOP, REST = "the sum", "the event loop (uvloop) and the kernel", "the rest"
NAMES = {
    HEAD: "the bytes are held, and the head is found",
    BODY: "the body becomes an array",
    BATCHING: "requests are grouped, and their rows become a batch",
    RUN: "ONNX Runtime runs the graph, or softmax is computed",
    TEXT: "numbers become the text of the answers",
    WRITING: "heads are joined to them, and handed to the loop",
    METRICS: "metrics and the log",
}
KINDS = {"`/predict`": "one", "`/softmax`": "softmax", "`/v2`, JSON": "v2_one", "`/v2`, binary": "v2_one_binary"}
TURN = "requests in a turn of the loop"

Readings = tuple[Sequence[int], Sequence[int]]  # of a watch: nanoseconds and calls of each part
Values = Mapping[str, float]  # µs of a request by the name of their part, and the size of a turn


class Profile:
    """The least processor time of a request and of its parts, of all rounds so far."""

    def __init__(self) -> None:
        self._least: dict[str, float] = {}
        self._turns: list[float] = []

    def add(self, name: str, microseconds: float) -> None:
        self._least[name] = min(self._least.get(name, microseconds), microseconds)

    def add_parts(self, before: Readings, after: Readings) -> None:
        """Take the parts between two readings of a watch, for each request."""
        nanoseconds, calls = differences(before, after)
        requests = calls[HEAD] - calls[BODY]  # each request once, and each pass once
        for part, name in NAMES.items():
            self.add(name, nanoseconds[part] / requests / 1e3)
        self._turns.append(requests / max(1, calls[BODY]))

    @property
    def values(self) -> Values:
        """The parts with two digits, whose sum is the sum; and the size of a turn."""
        parts = {name: round(self._least[name], 2) for name in (LOOP, *NAMES.values())}
        whole = round(self._least[SUM], 2)
        return {**parts, REST: round(whole - sum(parts.values()), 2), SUM: whole, TURN: round(max(self._turns))}


def differences(before: Readings, after: Readings) -> Readings:
    """Return the nanoseconds and the calls of each part between two readings."""
    (begin, calls_before), (end, calls_after) = before, after
    return list(map(sub, end, begin)), list(map(sub, calls_after, calls_before))


def table(columns: Mapping[str, Values]) -> str:
    """Return the parts of each kind of request as a table."""
    lines = [["µs of a core for a request", *columns], ["---", *["---:"] * len(columns)]]
    for name in (LOOP, *NAMES.values(), REST):
        lines.append([name, *(f"{values[name]:.2f}" for values in columns.values())])
    lines.append([f"**{SUM}**", *(f"**{values[SUM]:.2f}**" for values in columns.values())])
    lines.append([TURN, *(f"{values[TURN]:.0f}" for values in columns.values())])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def watched(models: Path, file: Path) -> Contender:
    """Return the service with a watch, which keeps its numbers in the file."""
    plain = softmaxd(models)
    return replace(
        plain,
        name="watched",
        command=[sys.executable, "-m", "benchmarks.servers.watched", "serve", "--port", "{port}"],
        environment={**plain.environment, "WATCH_FILE": str(file)},
    )


def loop_alone(server: Server, question: Exchange) -> Entry:
    """Return a server that sends the bytes that the service answers, as a constant."""
    reply = send(server.port, question)
    if reply is None or reply.status != HTTPStatus.OK:
        raise WrongAnswer("the service does not answer")
    head = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
    contender = Contender(
        "constant",
        [sys.executable, "-m", "benchmarks.servers.constant", "{port}"],
        {"CONSTANT_REPLY": "{folder}/reply"},
        {"reply": f"HTTP/1.1 200 OK\r\n{head}\r\n".encode("latin-1") + reply.body},
        cores=SERVER_CORE,
    )
    return Entry(contender, constant(question, reply.body))


def measure(rounds: int, seconds: int, folder: Path) -> dict[str, Profile]:
    """Measure every part of each kind of request in turns. Raises `WrongAnswer` and `LoadFailed`."""
    models, file = ROOT / "models", folder / "watch"
    asked = Questions(models / "blobs" / "2" / "model.onnx")
    questions: dict[str, Exchange] = {kind: getattr(asked, name) for kind, name in KINDS.items()}
    profiles = {kind: Profile() for kind in questions}
    with ExitStack() as stack:
        first = next(iter(questions.values()))
        service = stack.enter_context(started(Entry(softmaxd(models), first)))
        ours = stack.enter_context(started(Entry(watched(models, file), first)))
        for number in range(rounds):
            for kind, question in questions.items():
                profile, alone = profiles[kind], loop_alone(service, question)
                with started(alone) as constants:
                    profile.add(LOOP, processor_time(constants, alone, seconds))
                whole = processor_time(service, Entry(softmaxd(models), question), seconds)
                profile.add(SUM, whole)
                with loaded(ours, Entry(watched(models, file), question)):
                    before = read(file)
                    run_load(ours.port, question, connections=CONNECTIONS, seconds=seconds)
                    profile.add_parts(before, read(file))
                tell(f"round {number + 1}/{rounds}: {kind} {whole:.4g} µs")
    return profiles


@contextmanager
def loaded(server: Server, entry: Entry) -> Iterator[None]:
    """Warm a server up; check that it answers right before the load and after it."""
    check(entry, server.port)
    warm_up(server, entry.exchange)
    yield
    check(entry, server.port)


def processor_time(server: Server, entry: Entry, seconds: int) -> float:
    """Return the processor time of a request, in µs."""
    with loaded(server, entry):
        load, processor = measured(server, entry.exchange, connections=CONNECTIONS, seconds=seconds)
    return processor / load.requests * 1e6


def described(profiles: Mapping[str, Profile], rounds: int, seconds: int, load_average: float) -> str:
    """Return the table, and where it is from."""
    facts = to_json("", "", {}, Outcome(), {})
    commit, machine = facts["commit"], facts["machine"]
    source = (
        f"{facts['date'][:10]}, commit {commit[:12]}{commit[40:]}, {CONNECTIONS} connections, the least of {rounds} "
        f"rounds of {seconds} s, load average before it {load_average:.1f}; {machine['cpu']}; {told(facts['python'])}."
    )
    return f"{table({kind: profile.values for kind, profile in profiles.items()})}\n\n{source}"


def main() -> int:
    """Measure, then print the table or write it into the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.breakdown", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of every measurement (5)")
    parser.add_argument("--seconds", type=int, default=3, help="seconds of load for each (3)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md, too")
    options = parser.parse_args()
    load_average = os.getloadavg()[0]
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    try:
        with tempfile.TemporaryDirectory() as folder:
            profiles = measure(options.rounds, options.seconds, Path(folder))
    except (LoadFailed, WrongAnswer) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    text = described(profiles, options.rounds, options.seconds, load_average)
    print(text)
    if options.write:
        PAGE.write_text(fill(PAGE.read_text(), {"parts": text}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
