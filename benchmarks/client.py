"""The command behind `make bench-client`: `softmaxd.client` against bare httpx, by processor time, in turns.

A ratio of 1.3 means that the client takes 1.3 times the processor time of httpx and `json`. The service, which the
command starts, has a process of its own, so its time does not count.
"""

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import httpx
import numpy as np

from benchmarks.processes import ROOT
from softmaxd.client import Client

ROUNDS = 21
MOST_RATIO = 1.3


def main() -> None:
    """Print the ratio for one row, for many rows, and for bytes."""
    command = [sys.executable, "-m", "softmaxd", "serve", "--port", "0"]
    server = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        url = next(found[1] for line in server.stderr if (found := re.search(r"listening on (http://[^\s\"]+)", line)))
        print("| call | ratio | bare httpx |\n| --- | ---: | ---: |")
        with Client(url) as client, httpx.Client(base_url=url) as bare:
            for name, calls, ours, theirs in _pairs(client, bare):
                _compare(name, calls, ours, theirs)
    finally:
        server.terminate()
        server.wait()


def _pairs(client: Client, bare: httpx.Client) -> list[tuple[str, int, Callable[[], object], Callable[[], object]]]:
    """Return calls by the client, and by httpx as one writes them by hand."""
    one, many = [[10.5, 4.6]], np.random.default_rng(7).normal(5, 10, (1_000, 2)).tolist()
    array = np.random.default_rng(7).normal(5, 10, (50_000, 2)).astype(np.float32)

    def post(rows: list[list[float]]) -> object:
        return np.array(bare.post("/predict", json={"instances": rows}).json()["probabilities"], dtype=np.float32)

    def infer() -> object:
        tensor = {
            "name": "features",
            "shape": list(array.shape),
            "datatype": "FP32",
            "parameters": {"binary_data_size": array.nbytes},
        }
        outputs = [{"name": "probabilities", "parameters": {"binary_data": True}}]
        head = json.dumps({"inputs": [tensor], "outputs": outputs}).encode()
        headers = {"Inference-Header-Content-Length": str(len(head))}
        reply = bare.post("/v2/models/blobs/infer", content=head + array.tobytes(), headers=headers)
        length = int(reply.headers["Inference-Header-Content-Length"])
        return np.frombuffer(reply.content, np.float32, offset=length).reshape(-1, 4).argmax(axis=1)

    return [
        ("predict, 1 row", 100, lambda: client.predict(one), lambda: post(one)),
        ("predict, 1,000 rows", 10, lambda: client.predict(many), lambda: post(many)),
        ("infer, 50,000 rows", 5, lambda: client.infer(array, model="blobs"), infer),
    ]


def _compare(name: str, calls: int, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    pairs = [(_seconds(ours, calls), _seconds(theirs, calls)) for _ in range(ROUNDS)][1:]  # the first warms up
    ratio = statistics.median(mine / other for mine, other in pairs)
    missed = "" if ratio <= MOST_RATIO else f", more than {MOST_RATIO}"
    print(
        f"| {name} | {ratio:.2f}{missed} | {statistics.median(other for _, other in pairs) * 1e6:.0f} µs |", flush=True
    )


def _seconds(call: Callable[[], object], calls: int) -> float:
    """Return the processor time of a call."""
    begin = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - begin) / calls


if __name__ == "__main__":
    main()
