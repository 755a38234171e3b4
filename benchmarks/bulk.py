"""Measures `softmaxd predict` against posting the same rows to a service: `python -m benchmarks.bulk`.

A client reads the file, posts bodies of some size, one after the other, and writes the answers as the same CSV. The
best size counts. Seconds are measured by the clock, which counts on quiet cores, and as those of the processors, of
client and service together, as others may use the machine too: the two never work at the same time. Those of the
command are without its start, which a file of one row shows.
"""

import csv
import http.client
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import orjson

ROOT = Path(__file__).resolve().parent.parent
ROWS = 1_000_000
SIZES = (1_000, 5_000, 20_000, 50_000)  # rows of a body
ROUNDS = 3
COMMAND = (sys.executable, "-m", "softmaxd")
READY_SECONDS = 30.0


class Seconds(NamedTuple):
    """A time by the clock, and that of the processors."""

    clock: float
    processors: float


def write_rows(file: Path, rows: int) -> None:
    """Write rows of the article's range, with five decimals."""
    numbers = np.random.default_rng(0).uniform((-4, -5), (36, 19), (rows, 2))
    np.savetxt(file, numbers, fmt="%.5f", delimiter=",", header="x1,x2", comments="")


def score(file: Path, out: Path) -> Seconds:
    """Return the seconds that the command takes."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*COMMAND, "predict", "blobs", file, "--out", out], cwd=ROOT, capture_output=True, check=True)
    end, after = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    return Seconds(end - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def post(file: Path, out: Path, port: int, size: int, server: int) -> Seconds:
    """Return the seconds that a client takes, and the server with this process id."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    start, before = time.perf_counter(), time.process_time() + seconds_of(server)
    with file.open(newline="") as rows, out.open("w", newline="") as output:
        reader, writer = csv.reader(rows), csv.writer(output, lineterminator="\n")
        next(reader)
        writer.writerow(["predicted_label", *(f"probabilities.blob-{index}" for index in range(4))])
        while part := list(islice(reader, size)):
            body = orjson.dumps({"instances": [[float(cell) for cell in row] for row in part]})
            connection.request("POST", "/models/blobs/predict", body, {"Content-Type": "application/json"})
            answer = orjson.loads(connection.getresponse().read())
            writer.writerows(
                [label, *row] for label, row in zip(answer["labels"], answer["probabilities"], strict=True)
            )
    connection.close()
    return Seconds(time.perf_counter() - start, time.process_time() + seconds_of(server) - before)


def seconds_of(process: int) -> float:
    """Return the seconds that a process has taken so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cells(file: Path) -> Iterator[list[str | float]]:
    """Yield the label and the numbers of each row: their digits may differ in form, as in 1e-8 and 1e-08."""
    with file.open(newline="") as rows:
        reader = csv.reader(rows)
        next(reader)
        yield from ([row[0], *map(float, row[1:])] for row in reader)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_until_ready(port: int) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the service is not ready")


def measure(folder: Path, port: int, server: int) -> tuple[list[Seconds], dict[int, list[Seconds]]]:
    """Return the seconds of the command, and those of HTTP by the size of a body."""
    file, row, posted, scored = (folder / f"{name}.csv" for name in ("rows", "row", "posted", "scored"))
    write_rows(file, ROWS)
    write_rows(row, 1)
    command: list[Seconds] = []
    by_size: dict[int, list[Seconds]] = {size: [] for size in SIZES}
    for _ in range(ROUNDS):
        whole, start = score(file, scored), score(row, folder / "one.csv")
        command.append(Seconds(whole.clock - start.clock, whole.processors - start.processors))
        for size, seconds in by_size.items():
            seconds.append(post(file, posted, port, size, server))
    if any(one != other for one, other in zip(cells(posted), cells(scored), strict=True)):
        raise SystemExit("the answers differ")
    return command, by_size


def main() -> None:
    port = free_port()
    server = subprocess.Popen([*COMMAND, "serve", "--port", str(port), "--log-level", "error"], cwd=ROOT)
    with tempfile.TemporaryDirectory() as name:
        try:
            wait_until_ready(port)
            command, by_size = measure(Path(name), port, server.pid)
        finally:
            server.terminate()
            server.wait()
    for index, kind in enumerate(Seconds._fields):
        print(f"by the {kind}:")
        rates = {size: ROWS / median(each[index] for each in seconds) for size, seconds in by_size.items()}
        for size, rate in rates.items():
            print(f"HTTP, {size:6,} rows a body: {rate:10,.0f} rows/s")
        rate = ROWS / median(each[index] for each in command)
        print(f"softmaxd predict:         {rate:10,.0f} rows/s, {rate / max(rates.values()):.1f} times the best")


if __name__ == "__main__":
    main()
