"""A race of contenders in turns: the part that every scenario has."""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contenders import Entry, NotMeasured, Server, check, started
from benchmarks.load import Exchange, Load, LoadFailed, run_load, time_requests
from benchmarks.questions import Questions
from benchmarks.results import Figure, Measurement, Outcome

CONNECTIONS = 64
WARM_UP_SECONDS = 1
LARGE_BODY = 100_000  # bytes; such requests are sent one after the other, also to warm up
LARGE_REPEATS = 5

Measure = Callable[[Server, Exchange], float]
Rounds = dict[str, list[float]]
Run = Callable[["Plan", list[Entry]], Outcome]


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests, rounds and durations of all scenarios."""

    questions: Questions
    models: Path
    rounds: int
    seconds: int  # of load, a round and contender
    soak: int  # requests after which memory must not have grown
    replies: Mapping[Exchange, bytes] = field(default_factory=dict)
    refused: Mapping[Exchange, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def reply(self, exchange: Exchange) -> bytes:
        """Return the reply of the service; raises `NotMeasured` when there is none."""
        if exchange in self.refused:
            raise NotMeasured(self.refused[exchange])
        return self.replies[exchange]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A figure's work: its contenders, all checked before anything is measured, and how it is measured."""

    key: str
    work: str
    entries: list[Entry]
    run: Run
    not_measured: dict[str, str] = field(default_factory=dict)


def throughput(targets: Mapping[str, float]) -> Run:
    def run(plan: Plan, entries: list[Entry]) -> Outcome:
        not_measured: dict[str, str] = {}
        rounds = race(entries, rate(plan), plan, not_measured)
        return Outcome(measurements(rounds, "requests/s"), ratios(rounds, targets, "≥"), plan.notes, not_measured)

    return run


def large_time(targets: Mapping[str, float]) -> Run:
    def run(plan: Plan, entries: list[Entry]) -> Outcome:
        not_measured: dict[str, str] = {}
        rounds = race(entries, time_large, plan, not_measured)
        return Outcome(measurements(rounds, "ms"), ratios(rounds, targets, "≤"), not_measured=not_measured)

    return run


def race(
    entries: Sequence[Entry],
    measure: Measure,
    plan: Plan,
    not_measured: dict[str, str],
    extras: Mapping[str, Callable[[], float]] | None = None,
) -> Rounds:
    """Measure each contender once a round, in turns, every second round backwards.

    Contenders run side by side, idle while another is measured. Peers are not idle when they have nothing to do, so
    each is started for its turn only; one that fails under load is noted in `not_measured` and left out.
    """
    rounds: Rounds = {name: [] for name in (*(entry.name for entry in entries), *(extras or {}))}
    with ExitStack() as stack:
        servers = {entry.name: stack.enter_context(started(entry)) for entry in entries if not entry.contender.is_peer}
        for entry in entries:
            if entry.name in servers:
                warm_up(servers[entry.name], entry.exchange)
        for number in range(plan.rounds):
            for entry in entries if number % 2 == 0 else reversed(entries):
                if entry.name in servers:
                    value = measure(servers[entry.name], entry.exchange)
                elif entry.name in not_measured:
                    continue
                else:
                    value = _measure_peer(entry, measure, not_measured)
                rounds[entry.name].append(value)
                tell(f"round {number + 1}/{plan.rounds}: {entry.name} {value:,.4g}")
            for name, extra in (extras or {}).items():
                rounds[name].append(extra())
                tell(f"round {number + 1}/{plan.rounds}: {name} {rounds[name][-1]:,.4g}")
        for entry in entries:
            if entry.name in servers:
                check(entry, servers[entry.name].port)  # still right after the load
    return {name: values for name, values in rounds.items() if name not in not_measured}


def _measure_peer(entry: Entry, measure: Measure, not_measured: dict[str, str]) -> float:
    try:
        with started(entry) as server:
            warm_up(server, entry.exchange)
            value = measure(server, entry.exchange)
            check(entry, server.port)
            return value
    except (LoadFailed, NotMeasured) as error:
        not_measured[entry.name] = str(error)
        return math.nan


def warm_up(server: Server, exchange: Exchange) -> None:
    if len(exchange.body) < LARGE_BODY:
        run_load(server.port, exchange, connections=CONNECTIONS, seconds=WARM_UP_SECONDS)
    else:
        time_requests(server.port, exchange, count=2)


def rate(plan: Plan) -> Measure:
    return lambda server, exchange: load_of(server, exchange, plan, connections=CONNECTIONS).rate


def load_of(server: Server, exchange: Exchange, plan: Plan, *, connections: int) -> Load:
    return run_load(server.port, exchange, connections=connections, seconds=plan.seconds)


def time_large(server: Server, exchange: Exchange) -> float:
    return time_requests(server.port, exchange, count=LARGE_REPEATS) * 1e3


def measurements(rounds: Rounds, unit: str) -> list[Measurement]:
    return [Measurement(name, unit, values) for name, values in rounds.items()]


def ratios(rounds: Rounds, targets: Mapping[str, float], relation: str) -> list[Figure]:
    """Return softmaxd's values as multiples of each target's, round by round."""
    assert relation in ("≥", "≤")
    ours = rounds["softmaxd"]
    return [
        Figure(f"× {name}", "≥" if relation == "≥" else "≤", target, divide(ours, rounds[name]))
        for name, target in targets.items()
        if name in rounds
    ]


def divide(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def tell(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)
