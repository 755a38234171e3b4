"""The command behind `make bench-gpu`: networks of three sizes on the CPU and with CUDA, for 1 to 1,000,000 rows.

The sessions are those of the service: the same options, and on the GPU the same pinned memory. Each size is run by all
of them in turns. A size is left out for a session that it would take too long, or that has no memory for it. Without a
working CUDA it measures the CPU, and says why. `--output benchmarks/results/g1.json` keeps the results for README.md of
the benchmarks.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.networks import products, write_dense
from benchmarks.processes import ROOT
from benchmarks.results import Measurement, Outcome, to_json
from softmaxd.models.devices import names_of, why_not_cuda
from softmaxd.models.pinned import Pinned, pinned_memory
from softmaxd.models.session import CPU, CUDA, Session, new_session, provider_of

ROWS = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
WIDE = (1_024, 4_096, 4_096, 4_096, 4_096, 1_000)
RUN_SECONDS = 0.2  # of runs in a row, for one value
MOST_SECONDS = 10.0  # of one run
AT_ONCE = 100_000  # rows, the most that a request may have by default; more are run in parts
COPIED_BYTES = 2**28
SIDES = {CPU: 2_048, CUDA: 8_192}  # of the matrices whose product is the peak
GIGA = 1e9

Array = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
Run = Callable[[], object]
Seconds = Mapping[tuple[int, str], Sequence[float]]  # of a run in each round, by rows and contender


@dataclass(frozen=True, slots=True)
class Network:
    """An ONNX file, the shape of a row, and the multiplications that a row takes."""

    name: str
    file: Path
    shape: tuple[int, ...]
    products: int


@dataclass(frozen=True, slots=True)
class Peaks:
    """Measured at the start: multiplications a second of a provider, and bytes a second to the GPU and back."""

    products: Mapping[str, float]
    copied: float | None


def networks(folder: Path) -> list[Network]:
    """Return the three networks; the largest is written now."""
    wide = folder / "wide.onnx"
    write_dense(wide, WIDE)
    models = ROOT / "models"
    return [
        Network("blobs, 2-12-8-4", models / "blobs" / "2" / "model.onnx", (2,), 168),
        Network("CNN of digits", models / "digits" / "1" / "model.onnx", (8, 8), 383_232),
        Network("-".join(map(str, WIDE)), wide, WIDE[:1], products(WIDE)),
    ]


class Contender:
    """A session, and a way to hand it its rows."""

    def __init__(self, name: str, session: Session, prepare: Callable[[Array], Run], provider: str) -> None:
        self.name, self.session, self.prepare, self.provider = name, session, prepare, provider
        self.slowest = 0.0  # seconds a row of the last size

    def first_run(self, rows: Array) -> Run | None:
        """Return a run of these rows that has run once, or None if there is no memory for it."""
        try:
            parts = [self.prepare(rows[start : start + AT_ONCE]) for start in range(0, len(rows), AT_ONCE)]
            run_all(parts)
        except Exception as error:  # ONNX Runtime raises about ten unrelated classes here
            print(f"  {self.name}: {len(rows):,} rows: {str(error).splitlines()[0]}", file=sys.stderr)
            return None
        return lambda: run_all(parts)


def contenders(network: Network, threads: int) -> list[Contender]:
    """Return the CPU, and CUDA if it works: with ordinary memory, with pinned memory, and with all of it on the GPU."""
    content = network.file.read_bytes()
    cpu = new_session(content, [CPU], threads)
    found = [Contender("CPU", cpu, lambda rows: plain(cpu, rows), CPU)]
    if why_not_cuda() is None:
        cuda = new_session(content, names_of("cuda"), threads)
        provider = provider_of(cuda)
        found += [
            Contender("CUDA", cuda, lambda rows: plain(cuda, rows), provider),
            Contender("CUDA, pinned memory", cuda, lambda rows: through_pinned(cuda, rows), provider),
            Contender("CUDA, rows on the GPU", cuda, lambda rows: on_gpu(cuda, rows), provider),
        ]
    return found


def run_all(runs: Sequence[Run]) -> None:
    for run in runs:
        run()


def plain(session: Session, rows: Array) -> Run:
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: rows})


def through_pinned(session: Session, rows: Array) -> Run:
    """Return a run as in the service; above the size of its buffers it takes ordinary memory."""
    pinned, name = Pinned(session, pinned_memory), session.get_inputs()[0].name
    return lambda: pinned.run(pinned.names, {name: rows}, None)


def on_gpu(session: Session, rows: Array) -> Run:
    """Return a run whose rows are on the GPU, and whose outputs stay there."""
    binding = session.io_binding()
    binding.bind_ortvalue_input(session.get_inputs()[0].name, onnxruntime.OrtValue.ortvalue_from_numpy(rows, "cuda", 0))
    for output in session.get_outputs():
        binding.bind_output(output.name, "cuda")

    def run() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return run


def seconds_of(run: Run) -> float:
    """Return the seconds of one run, from as many as fit into `RUN_SECONDS`."""
    start, count = time.perf_counter(), 0
    while count == 0 or time.perf_counter() - start < RUN_SECONDS:
        run()
        count += 1
    return (time.perf_counter() - start) / count


def peaks(folder: Path, threads: int, providers: Sequence[str]) -> Peaks:
    """Measure the product of two large matrices with each provider, and copies to the GPU and back."""
    found = {}
    for provider in providers:
        side = SIDES[provider]
        file = folder / f"product-{side}.onnx"
        write_dense(file, (side, side))
        session = new_session(file, [provider, CPU] if provider != CPU else [CPU], threads)
        rows = np.ones((side, side), np.float32)
        run = plain(session, rows) if provider == CPU else on_gpu(session, rows)
        run()
        found[provider] = side**3 / min(seconds_of(run) for _ in range(3))
    return Peaks(found, copied() if CUDA in providers else None)


def better(peaks: Peaks, others: Peaks) -> Peaks:
    """Return the larger of each two peaks: a busy moment of the machine makes one too small."""
    products = {name: max(rate, others.products[name]) for name, rate in peaks.products.items()}
    return Peaks(products, peaks.copied and others.copied and max(peaks.copied, others.copied))


def copied() -> float:
    """Return the bytes a second that a copy to the GPU takes from pinned memory, into memory that it has already."""
    source = pinned_memory(COPIED_BYTES)
    source[:] = 1
    target = onnxruntime.OrtValue.ortvalue_from_numpy(source, "cuda", 0)

    def copy() -> None:
        target.update_inplace(source)

    copy()
    return COPIED_BYTES / min(seconds_of(copy) for _ in range(3))


def measure(network: Network, threads: int, rounds: int, most_rows: int) -> dict[tuple[int, str], list[float]]:
    """Return the seconds of a run in each round, by rows and contender."""
    found: dict[tuple[int, str], list[float]] = {}
    racing = contenders(network, threads)
    for count in [rows for rows in ROWS if rows <= most_rows]:
        fast = [each for each in racing if each.slowest * count <= MOST_SECONDS]
        rows = np.random.default_rng(7).random((count if fast else 0, *network.shape), np.float32)
        runs = {each.name: run for each in fast if (run := each.first_run(rows))}
        for number in range(rounds):
            for name in list(runs) if number % 2 == 0 else reversed(runs):
                found.setdefault((count, name), []).append(seconds_of(runs[name]))
        for each in fast:
            if each.name in runs:
                each.slowest = statistics.median(found[count, each.name]) / count
        tell(network, count, {name: found[count, name] for name in runs})
    return found


def tell(network: Network, rows: int, found: Mapping[str, Sequence[float]]) -> None:
    values = ", ".join(f"{name} {statistics.median(seconds) * 1e3:,.3g} ms" for name, seconds in found.items())
    print(f"  {network.name}: {rows:,} rows: {values or 'left out'}", file=sys.stderr, flush=True)


def wins_from(found: Seconds, name: str) -> int | None:
    """Return the fewest rows from which on a contender is faster than the CPU, of those that both ran."""
    least = None
    for rows in sorted({rows for rows, other in found if other == name and (rows, "CPU") in found}, reverse=True):
        if statistics.median(found[rows, name]) >= statistics.median(found[rows, "CPU"]):
            break
        least = rows
    return least


def table(network: Network, found: Seconds, peaks: Peaks) -> str:
    """Return the medians of a network, with the shares of the peaks."""
    lines = [f"{network.name}:"]
    head = ("rows", "", "ms", "rows/s", "of peak", "of copy")
    lines.append("{:>10}  {:<22} {:>10} {:>13} {:>8} {:>8}".format(*head))
    for (rows, name), values in found.items():
        seconds = statistics.median(values)
        provider = CPU if name == "CPU" else CUDA
        of_peak = rows * network.products / seconds / peaks.products[provider]
        of_copy = (
            rows * np.prod(network.shape) * 4 / seconds / peaks.copied if peaks.copied and provider == CUDA else None
        )
        shares = f"{of_peak:8.1%} " + ("        " if of_copy is None or name.endswith("GPU") else f"{of_copy:8.1%}")
        lines.append(f"{rows:>10,}  {name:<22} {seconds * 1e3:>10.4g} {rows / seconds:>13,.0f} {shares}".rstrip())
    return "\n".join(lines)


def winners(found: Seconds) -> list[str]:
    """Return a sentence for each way of CUDA: from how many rows on it is faster than the CPU."""
    sentences = []
    for name in sorted({name for _, name in found} - {"CPU"}):
        least = wins_from(found, name)
        sentences.append(f"{name} is faster than the CPU " + (f"from {least:,} rows on" if least else "for no size"))
    return sentences


def told(best: Peaks, threads: int) -> list[str]:
    """Return a sentence for each peak."""
    sentences = [f"peak of {name}: {2 * rate / GIGA:,.0f} GFLOP/s" for name, rate in best.products.items()]
    if best.copied is not None:
        sentences.append(f"copy to the GPU from pinned memory: {best.copied / GIGA:.1f} GB/s")
    return [*sentences, f"the CPU has {threads} threads"]


def main() -> int:
    """Measure, print the tables, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of every comparison (5)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of the CPU (all cores)")
    parser.add_argument("--most-rows", type=int, default=ROWS[-1], help="the largest size (1000000)")
    parser.add_argument(
        "--output", type=Path, help="where the results go, such as benchmarks/results/g1.json (nowhere)"
    )
    options = parser.parse_args()
    why = why_not_cuda()
    if why is not None:
        print(f"CUDA is not measured: {why}", file=sys.stderr)
    outcome = Outcome(not_measured={} if why is None else {"CUDA": why})
    settings = {"rounds": options.rounds, "seconds": RUN_SECONDS, "load_average": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, providers = Path(name), [CPU] if why else [CPU, CUDA]
        at_start = peaks(folder, options.threads, providers)
        found = {each: measure(each, options.threads, options.rounds, options.most_rows) for each in networks(folder)}
        best = better(at_start, peaks(folder, options.threads, providers))
    outcome.notes.extend(told(best, options.threads))
    if os.nice(0) < 0:
        outcome.notes.append("the benchmark had priority over other programs of the machine")
    for network, seconds in found.items():
        print(table(network, seconds, best))
        outcome.notes.extend(f"{network.name}: {sentence}" for sentence in winners(seconds))
        outcome.measurements.extend(
            Measurement(f"{network.name}, {rows:,} rows, {name}", "ms", [each * 1e3 for each in values])
            for (rows, name), values in seconds.items()
        )
    print("\n".join(outcome.notes))
    if options.output:
        work = "networks of three sizes, on the CPU and with CUDA"
        text = json.dumps(to_json("G1", work, settings, outcome, {}), indent=1, ensure_ascii=False)
        options.output.write_text(f"{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
