"""Computes the tables of docs/scaling.md from results/*.json: `python -m benchmarks.scaling --write`.

Without `--write` it prints them. Each row of a table ends with its mark: measured, with the scenario in results, or
computed from such rows. `--price` gives other prices of a core for an hour.
"""

import argparse
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.capacity import BILLION, PLANNED, Results, Values, core_hours, planned_rate
from benchmarks.queueing import CONSTANT, mean_wait, wait_quantile

FOLDER = Path(__file__).resolve().parent
PAGE = FOLDER.parent / "docs" / "scaling.md"
COMMANDS = {
    "S1": "python -m benchmarks.loads",
    "S2": "python -m benchmarks.hops",
    "S3": "python -m benchmarks.edge",
    "P5": "make bench",
    "P6": "make bench-peers",
    "P10": "make bench",
}
LOADS = ("20 %", "50 %", "80 %", "saturated")
LARGE_BODY = 100_000  # rows, in P5 and P6
CORES = (2, 4, 8, 16, 32)
MACHINE = 8  # cores
CELL = 10  # machines behind one pair of proxies: the replicas of deploy/haproxy/haproxy.cfg
PRICES = (0.01, 0.03, 0.05)  # for a core and an hour, in any currency
UTILISATIONS = (0.2, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
GPU_PRICES = (10, 30, 100)  # cores that cost as much as a GPU
ROW_BYTES = 24  # of blobs, there and back: 2 features and 4 probabilities in float32
COMPUTED = "computed"
BLOCK = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def number(value: float) -> str:
    """Return a number with the first three of its digits."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.{max(0, 2 - math.floor(math.log10(rounded)))}f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose first column has names, whose last has marks, and whose others have numbers."""
    lines = [[*head, "how"], ["---", *["---:"] * (len(head) - 1), "---"], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def loads(values: Values, workers: str) -> str:
    """Return the table of one core, or of one machine, by its load."""
    names = ("rate", "processor time", "cores", "p50", "p99")
    rows = [
        [load, *(number(values.median("S1", f"{workers}, {load}: {name}")) for name in names), "measured, S1"]
        for load in LOADS
    ]
    return table(("load", "requests/s", "µs of a core each", "cores busy", "p50, ms", "p99, ms"), rows)


def machines_by_cores(values: Values) -> str:
    memory = values.median("P10", "resident")
    rows = [
        [
            f"{cores} cores, {cores} workers",
            number(planned_rate(cores, values.service_of_several)),
            number(planned_rate(cores, values.service_of_several) * 86_400 / BILLION),
            number(cores * memory),
            COMPUTED,
        ]
        for cores in CORES
    ]
    return table(("one machine", "requests/s", "10⁹ requests a day", "MiB"), rows)


def fleets(values: Values) -> str:
    """Return the table of ten and of a thousand machines, in cells that each can lose one machine."""
    rate = planned_rate((CELL - 1) * MACHINE, values.service_behind_proxy)
    proxies = rate * values.proxy / 1e6 / PLANNED
    rows = [
        [
            f"{cells * CELL:,}",
            number(cells * rate),
            number(BILLION / (cells * rate)),
            f"{cells * CELL * MACHINE:,}",
            number(cells * proxies),
            f"{cells * (math.ceil(proxies / MACHINE) + 1):,}",
            COMPUTED,
        ]
        for cells in (1, 1000 // CELL)
    ]
    head = ("machines", "requests/s", "seconds for 10⁹", "cores of workers", "cores of HAProxy", "machines of HAProxy")
    return table(head, rows)


def edge(values: Values) -> str:
    rows = [
        [
            name,
            number(values.median("S3", f"{name}: processor time of the service")),
            number(values.proxy if name == "behind HAProxy" else 0),
            number(values.median("S3", f"{name}: p50")),
            "measured, S3",
        ]
        for name in ("alone", "behind HAProxy")
    ]
    return table(("128 connections", "µs of the service", "µs of HAProxy", "p50, ms"), rows)


def waits(values: Values) -> str:
    """Return the waits of models of queues, in multiples of the time of a service, and in µs of this service."""
    rows = [
        [
            f"{utilisation * 100:.0f} %",
            number(mean_wait(1, utilisation)),
            number(wait_quantile(1, utilisation, 0.99)),
            number(mean_wait(1, utilisation, CONSTANT)),
            number(mean_wait(MACHINE, utilisation)),
            number(mean_wait(1, utilisation) * values.service),
            COMPUTED,
        ]
        for utilisation in UTILISATIONS
    ]
    head = ("busy", "mean, M/M/1", "p99, M/M/1", "mean, M/D/1", f"mean, M/M/{MACHINE}", "mean of M/M/1, µs")
    return table(head, rows)


def costs(values: Values, prices: Sequence[float]) -> str:
    """Return the table of costs; the time of a large body counts whole, as if the client took none of it."""
    ways = {
        "one row a request": values.service_of_several,
        "the same behind HAProxy": values.service_behind_proxy + values.proxy,
        "one row a request, run by an actor": values.service_of_several + values.hop,
        f"{LARGE_BODY:,} rows a request, JSON": values.median("P5", "softmaxd") * 1e3 / LARGE_BODY,
        f"{LARGE_BODY:,} rows a request, binary": values.median("P6", "softmaxd") * 1e3 / LARGE_BODY,
    }
    rows = [
        [
            name,
            number(each),
            number(core_hours(each)),
            *(number(core_hours(each) * price) for price in prices),
            COMPUTED,
        ]
        for name, each in ways.items()
    ]
    return table(("10⁹ predictions", "µs each", "core-hours", *(f"at {price:g}" for price in prices)), rows)


def actors(values: Values) -> str:
    here = values.median("S2", "in the process: processor time")
    rows = [
        [
            name,
            number(values.median("S2", f"{name}: processor time")),
            number(values.median("S2", f"{name}: time")),
            number(values.median("S2", f"{name}: processor time") / here),
            "measured, S2",
        ]
        for name in ("in the process", "by an actor, one at a time", "by an actor, 64 at once")
    ]
    return table(("a run of one row", "µs of a core", "µs of the clock", "× in the process"), rows)


def hops(values: Values) -> str:
    rows = [
        [name, number(each), number(planned_rate(1, each)), COMPUTED]
        for name, each in {
            "the model runs in the worker": values.service,
            "the model runs in an actor": values.service + values.hop,
        }.items()
    ]
    return table(("one core", "µs of a core each", "requests/s"), rows)


def gpus(values: Values) -> str:
    """Return the table of the rows that a GPU must run to be worth its price, and of the network that they need."""
    rate = LARGE_BODY / values.median("P6", "softmaxd") * 1e3
    rows = [
        [f"{price} cores", number(price * rate / 1e6), number(price * rate * ROW_BYTES * 8 / 1e9), COMPUTED]
        for price in GPU_PRICES
    ]
    return table(("a GPU costs as much as", "10⁶ rows/s of blobs", "Gbit/s of the network"), rows)


def sources(values: Values) -> str:
    rows = [
        (key, f"`{command}`", values.results[key]["date"][:10], _machine(values.results[key]))
        for key, command in COMMANDS.items()
    ]
    lines = [("", "command", "date", "machine"), ("---",) * 4, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _machine(result: report.Result) -> str:
    machine, settings = result["machine"], result["settings"]
    return f"{machine['cpu']}, {machine['cores']} cores, load average before it {settings['load_average']:.1f}"


def blocks(results: Results, prices: Sequence[float] = PRICES) -> dict[str, str]:
    """Return the tables of the page by the names of their places."""
    values = Values(results)
    return {
        "core": loads(values, "1 worker"),
        "workers": loads(values, "2 workers"),
        "machine": machines_by_cores(values),
        "edge": edge(values),
        "fleet": fleets(values),
        "waits": waits(values),
        "gpus": gpus(values),
        "costs": costs(values, prices),
        "actors": actors(values),
        "hops": hops(values),
        "sources": sources(values),
    }


def fill(page: str, tables: Mapping[str, str]) -> str:
    """Return the page with these tables in their places; raises `KeyError` for a place without a table."""
    return BLOCK.sub(lambda place: f"{place[1]}{tables[place[2]]}\n{place[3]}", page)


def read(folder: Path = FOLDER / "results") -> Results:
    """Return the committed results by their scenarios."""
    return {result["scenario"]: result for result in report.read(folder)}


def main() -> int:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument(
        "--price", type=float, action="append", help="of a core for an hour; may be given several times"
    )
    parser.add_argument("--write", action="store_true", help="write docs/scaling.md, with the prices of the page")
    options = parser.parse_args()
    if options.write:
        PAGE.write_text(fill(PAGE.read_text(), blocks(read())))
        return 0
    for name, text in blocks(read(), options.price or PRICES).items():
        print(f"{name}\n\n{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
