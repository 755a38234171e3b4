"""The figures P1 to P10: their contenders, requests and targets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

from benchmarks.alone import SMALL_CLIENTS, in_process, run_cold_start, run_large_beside_small, run_memory
from benchmarks.contenders import (
    BOTH_CORES,
    PEERS,
    Entry,
    NotMeasured,
    Server,
    bare,
    check,
    handwritten,
    nginx,
    peer,
    softmaxd,
    started,
)
from benchmarks.load import Exchange, get_status, send
from benchmarks.questions import Questions, constant
from benchmarks.race import (
    CONNECTIONS,
    Plan,
    Scenario,
    divide,
    large_time,
    load_of,
    measurements,
    race,
    rate,
    ratios,
    throughput,
    time_large,
)
from benchmarks.results import Figure, Outcome


@dataclass(frozen=True, slots=True)
class Answers:
    """The replies of the service, the reasons why others are missing, and notes."""

    replies: dict[Exchange, bytes]
    refused: dict[Exchange, str]
    notes: list[str]


def ask(models: Path, questions: Questions) -> Answers:
    """Ask the service everything once and check the answers; `/v2` may be missing."""
    answers = Answers({}, {}, [])
    required = (questions.one, questions.softmax, questions.large, questions.mebibyte)
    optional = (questions.v2_one, questions.v2_one_binary, questions.v2_large_binary)
    with started(Entry(softmaxd(models), questions.one)) as server:
        for exchange in (*required, *optional):
            reply = send(server.port, exchange)
            if exchange in optional and reply and reply.status == HTTPStatus.NOT_FOUND:
                answers.refused[exchange] = f"softmaxd answers 404 to POST {exchange.path}"
                continue
            check(Entry(softmaxd(models), exchange), server.port)
            assert reply
            answers.replies[exchange] = reply.body
        if get_status(server.port, "/metrics") != HTTPStatus.OK:
            answers.notes.append("softmaxd did not serve `/metrics`")
    return answers


def one_row(plan: Plan) -> Scenario:
    question = plan.questions.one
    in_thread = Exchange("/predict-in-a-thread", question.body, question.check)
    entries, absent = _available({
        "softmaxd": lambda: Entry(softmaxd(plan.models), question),
        "softmaxd-asgi": lambda: Entry(softmaxd(plan.models, name="softmaxd-asgi", express="off"), question),
        "bare": lambda: _bare(plan, question),
        "handwritten async def": lambda: _handwritten(plan, "handwritten async def", question),
        "handwritten def": lambda: _handwritten(plan, "handwritten def", in_thread),
        "nginx": lambda: _nginx(plan, question),
    })  # fmt: skip
    targets = {"bare": 2.5, "nginx": 0.6, "handwritten async def": 8.0, "handwritten def": 12.0}
    work = f"`POST /predict`, one row, {CONNECTIONS} connections"
    return Scenario("P1", work, entries, throughput(targets), absent)


def one_row_peers(plan: Plan) -> Scenario:
    questions = plan.questions
    asked = {
        "triton": questions.v2_one,
        "mlserver": questions.v2_one,
        "bentoml": questions.bare_list,
        "ray": questions.root,
        "litserve": questions.one,
        "mosec": questions.one,
    }
    entries, absent = _available({
        "softmaxd": lambda: Entry(softmaxd(plan.models), questions.one),
        "bare": lambda: _bare(plan, questions.one),
        **{name: _peer(plan, name, asked[name]) for name in PEERS},
    })  # fmt: skip
    in_python = dict.fromkeys(("mlserver", "litserve", "bentoml", "ray"), 15.0)
    targets = {"bare": 2.5, "triton": 5.0, "mosec": 2.2} | in_python
    work = f"one row, {CONNECTIONS} connections, against other servers"
    return Scenario("P1-peers", work, entries, throughput(targets), absent)


def softmax(plan: Plan) -> Scenario:
    question = plan.questions.softmax
    entries = [Entry(softmaxd(plan.models), question), _bare(plan, question)]
    work = f"`POST /softmax`, 3 logits, {CONNECTIONS} connections"
    return Scenario("P2", work, entries, throughput({"bare": 2.5}))


def v2_json(plan: Plan) -> Scenario:
    question = plan.questions.v2_one
    entries = [Entry(softmaxd(plan.models), question), _bare(plan, question)]
    work = f"`POST /v2/models/blobs/infer`, one row, JSON, {CONNECTIONS} connections"
    return Scenario("P3-json", work, entries, throughput({"bare": 2.0}))


def v2_binary(plan: Plan) -> Scenario:
    question = plan.questions.v2_one_binary
    entries = [Entry(softmaxd(plan.models), question), _bare(plan, question)]
    work = f"`POST /v2/models/blobs/infer`, one row, binary, {CONNECTIONS} connections"
    return Scenario("P3-binary", work, entries, throughput({"bare": 2.0}))


def one_connection(plan: Plan) -> Scenario:
    question = plan.questions.one
    entries = [Entry(softmaxd(plan.models), question), _bare(plan, question)]

    def run(plan: Plan, entries: list[Entry]) -> Outcome:
        def measure(server: Server, exchange: Exchange) -> float:
            return load_of(server, exchange, plan, connections=1).p50 * 1e6

        rounds = race(entries, measure, plan, {})
        return Outcome(measurements(rounds, "µs"), ratios(rounds, {"bare": 1.25}, "≤"))

    return Scenario("P4", "one connection, one row: p50", entries, run)


def large_json(plan: Plan) -> Scenario:
    question = plan.questions.large
    entries = [Entry(softmaxd(plan.models), question), _handwritten(plan, "handwritten async def", question)]

    def run(plan: Plan, entries: list[Entry]) -> Outcome:
        extras = {"in process": lambda: in_process(plan)}
        rounds = race(entries, time_large, plan, {}, extras)
        figures = ratios(rounds, {"handwritten async def": 1 / 8, "in process": 2.0}, "≤")
        return Outcome(measurements(rounds, "ms"), figures, ["in process: simdjson parse, `session.run`, orjson dump"])

    return Scenario("P5", "100,000 rows in one JSON `POST /predict`", entries, run)


def large_json_peers(plan: Plan) -> Scenario:
    entries, absent = _available({
        "softmaxd": lambda: Entry(softmaxd(plan.models), plan.questions.large),
        "triton": _peer(plan, "triton", plan.questions.v2_large),
        "mosec": _peer(plan, "mosec", plan.questions.large),
    })  # fmt: skip
    run = large_time({"triton": 0.5, "mosec": 0.5})
    return Scenario("P5-peers", "100,000 rows in one JSON body", entries, run, absent)


def large_binary_peers(plan: Plan) -> Scenario:
    question = plan.questions.v2_large_binary
    plan.reply(question)  # or it is not measured
    entries, absent = _available({
        "softmaxd": lambda: Entry(softmaxd(plan.models), question),
        "triton": _peer(plan, "triton", question),
    })  # fmt: skip
    return Scenario(
        "P6",
        "100,000 rows as a `/v2` binary tensor, binary output",
        entries,
        large_time({"triton": 0.8}),
        absent,
    )


def large_beside_small(plan: Plan) -> Scenario:
    work = f"1 MiB JSON bodies back to back beside {SMALL_CLIENTS} single-row clients"
    small = Entry(softmaxd(plan.models), plan.questions.one)
    return Scenario("P7", work, [small], run_large_beside_small)


def two_workers(plan: Plan) -> Scenario:
    question = plan.questions.one
    reply = plan.reply(question)
    two = softmaxd(plan.models, name="softmaxd, 2 workers", cores=BOTH_CORES, workers="2")
    entries = [
        Entry(softmaxd(plan.models), question),
        Entry(two, question),
        _bare(plan, question),
        Entry(bare(reply, name="bare, 2 workers", workers=2, cores=BOTH_CORES), constant(question, reply)),
    ]

    def run(plan: Plan, entries: list[Entry]) -> Outcome:
        if "softmaxd, 2 workers" not in {entry.name for entry in entries}:
            return Outcome()
        rounds = race(entries, rate(plan), plan, {})
        ours = divide(rounds["softmaxd, 2 workers"], rounds["softmaxd"])
        theirs = divide(rounds["bare, 2 workers"], rounds["bare"])
        figure = Figure("× the gain of bare", "≥", 0.95, divide(ours, theirs))
        note = "wrk keeps its core, which the second worker shares, for softmaxd and for bare"
        return Outcome(measurements(rounds, "requests/s"), [figure], [note])

    return Scenario("P8", "two workers on two cores against one worker", entries, run)


def two_workers_peers(plan: Plan) -> Scenario:
    one, large = plan.questions.one, plan.questions.large
    ours = softmaxd(plan.models, name="softmaxd, 2 workers", cores=BOTH_CORES, workers="2")
    entries, absent = _available({
        "softmaxd": lambda: Entry(ours, one, "softmaxd"),
        "mosec": lambda: Entry(peer("mosec", plan.questions.model, 2), one, "mosec"),
    })  # fmt: skip

    def run(plan: Plan, entries: list[Entry]) -> Outcome:
        not_measured: dict[str, str] = {}
        rounds = race(entries, rate(plan), plan, not_measured)
        figures = ratios(rounds, {"mosec": 2.2}, "≥")
        large_entries = [Entry(entry.contender, large, entry.name) for entry in entries]
        times = race(large_entries, time_large, plan, not_measured)
        figures += [replace(each, text=f"{each.text}: 100,000 rows") for each in ratios(times, {"mosec": 0.5}, "≤")]
        values = measurements(rounds, "requests/s")
        values += [replace(each, name=f"{each.name}: 100,000 rows") for each in measurements(times, "ms")]
        note = "wrk keeps its core, which the second worker shares"
        return Outcome(values, figures, [note], not_measured)

    work = "two workers on two cores: one row, 64 connections, and 100,000 rows in one JSON body"
    return Scenario("P8-peers", work, entries, run, absent)


def cold_start(plan: Plan) -> Scenario:
    work = "cold start to the first 200 on `/readyz`"
    return Scenario("P9", work, [Entry(softmaxd(plan.models), plan.questions.one)], run_cold_start)


def memory(plan: Plan) -> Scenario:
    work = f"resident memory of one worker after 100,000 requests, and its growth over the next {plan.soak:,}"
    return Scenario("P10", work, [Entry(softmaxd(plan.models), plan.questions.one)], run_memory)


ALONE = (
    one_row,
    softmax,
    v2_json,
    v2_binary,
    one_connection,
    large_json,
    large_beside_small,
    two_workers,
    cold_start,
    memory,
)
WITH_PEERS = (one_row_peers, large_json_peers, large_binary_peers, two_workers_peers)
BY_PYTHON = (one_row, softmax)


def _bare(plan: Plan, question: Exchange) -> Entry:
    reply = plan.reply(question)
    return Entry(bare(reply), constant(question, reply))


def _nginx(plan: Plan, question: Exchange) -> Entry:
    reply = plan.reply(question)
    return Entry(nginx(reply), constant(question, reply))


def _handwritten(plan: Plan, name: str, question: Exchange) -> Entry:
    return Entry(handwritten(plan.questions.model, name), question)


def _peer(plan: Plan, name: str, question: Exchange) -> Callable[[], Entry]:
    return lambda: Entry(peer(name, plan.questions.model), question)


def _available(makers: Mapping[str, Callable[[], Entry]]) -> tuple[list[Entry], dict[str, str]]:
    """Return the entries that can be made here, and why the others cannot."""
    entries, absent = [], {}
    for name, make in makers.items():
        try:
            entries.append(make())
        except NotMeasured as error:
            absent[name] = str(error)
    return entries, absent
