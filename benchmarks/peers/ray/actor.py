"""A run of the blobs model in this process, and the same run by an actor of Ray, by processor time.

The actor holds the same session of ONNX Runtime. Calls are made one at a time, then many at once, which is kinder to
Ray. The time of the actor's calls is that of all processes of Ray and of this one, less that of their idling, which is
measured first. The last line is JSON: the seconds of one run, for each round, by the way it was made.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import ray

ROW = np.array([[15.2, 0.3]], np.float32)
TOLERANCE = 1e-6
CHUNK = 64  # calls between two looks at the clock, and those that are on their way at once


def open_session(model: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options)


@ray.remote(num_cpus=0.1)
class Blobs:
    """Runs the model in a process of its own."""

    def __init__(self, model: str) -> None:
        self._session = open_session(model)

    def run(self, rows: np.ndarray) -> np.ndarray:
        return self._session.run(["probabilities"], {"features": rows})[0]


def ours() -> set[int]:
    """Return this process and all that came from it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(") ")[2].split()[1])
            except OSError:
                continue
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def processor_seconds(pids: set[int]) -> float:
    """Return the processor time of all threads of these processes (utime and stime of proc_pid_stat(5))."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def cost(calls: Callable[[], object], seconds: float, idle: float) -> dict[str, float]:
    """Return the seconds of one call, by processor and by clock; `idle` cores are not for the calls."""
    pids = ours()
    before, start, count = processor_seconds(pids), time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        calls()
        count += CHUNK
    elapsed = time.perf_counter() - start
    return {
        "processor": (processor_seconds(pids) - before - idle * elapsed) / count,
        "clock": elapsed / count,
    }


def idle_cores(seconds: float) -> float:
    """Return how many cores all these processes take while nothing is called."""
    pids = ours()
    before = processor_seconds(pids)
    time.sleep(seconds)
    return (processor_seconds(pids) - before) / seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()
    session = open_session(arguments.model)
    ray.init(num_cpus=1, include_dashboard=False, object_store_memory=256 * 2**20, log_to_driver=False)
    actor = Blobs.remote(arguments.model)

    def run() -> np.ndarray:
        return session.run(["probabilities"], {"features": ROW})[0]

    assert np.allclose(ray.get(actor.run.remote(ROW)), run(), atol=TOLERANCE)
    ways: dict[str, Callable[[], object]] = {
        "in the process": lambda: [run() for _ in range(CHUNK)],
        "by an actor, one at a time": lambda: [ray.get(actor.run.remote(ROW)) for _ in range(CHUNK)],
        f"by an actor, {CHUNK} at once": lambda: ray.get([actor.run.remote(ROW) for _ in range(CHUNK)]),
    }
    for calls in ways.values():
        cost(calls, 1, 0)  # to warm up
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(arguments.rounds):
        idle = idle_cores(arguments.seconds)
        for name, calls in ways.items():
            rounds[name].append(cost(calls, arguments.seconds, idle))
    ray.shutdown()
    print(json.dumps(rounds), flush=True)


if __name__ == "__main__":
    main()
