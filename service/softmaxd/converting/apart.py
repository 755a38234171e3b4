"""Opens a library's file in a process of its own, because libraries print, crash on broken files, or never end."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import Any

import numpy as np
import orjson

from softmaxd.converting.original import GRAPH, OUTPUT, ROWS, Inputs, Known, Values
from softmaxd.errors import Refused

DEADLINE = 900.0  # seconds for an answer; TensorFlow and a large network may take minutes
QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",  # its kernels round differently on each processor
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
}


class Apart:
    """A model of another library, open in another process."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, deadline: float) -> None:
        self._process = process
        self._folder = folder
        self._deadline = deadline
        facts = self._answer()
        self.library: str = facts["library"]
        self.converter: str = facts["converter"]
        self.features: list[str] | None = facts["features"]
        self.notes: list[str] = facts["notes"]
        self.known: Known | None = facts["known"]
        self._made: list[bytes] = []

    def graphs(self) -> Iterator[bytes]:
        """Yield the ONNX files that are made of it, each of them once for all calls. Raises `Refused`."""
        yield from self._made
        while self._ask({})["found"]:
            self._made.append((self._folder / GRAPH).read_bytes())
            yield self._made[-1]

    def run(self, inputs: Inputs, output: str) -> tuple[list[int], Values]:
        """Return the numbers of the rows that the library takes, and an output for them. Raises `Refused`."""
        plain = [rows.astype(str) if rows.dtype == object else rows for rows in inputs.values()]
        with (self._folder / ROWS).open("wb") as file:
            np.savez(file, *plain)
        taken = self._ask({"inputs": list(inputs), "output": output})["rows"]
        return taken, np.load(self._folder / OUTPUT)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        with suppress(OSError):  # it has ended, which the missing answer tells
            self._process.stdin.write(orjson.dumps(request) + b"\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        timer = Timer(self._deadline, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        if not line:
            raise Refused(f"its library ended without an answer (code {self._process.wait()}): the file may be broken")
        answer: dict[str, Any] = orjson.loads(line)
        if "refused" in answer:
            raise Refused(answer["refused"])
        return answer


@contextmanager
def opened_apart(kind: str, file: Path, *, deadline: float = DEADLINE) -> Iterator[Apart]:
    """Open a file, and end its process afterwards. Raises `Refused` if it cannot be opened or converted."""
    environment = {**os.environ, **QUIET, "PYTHONPATH": os.pathsep.join(sys.path)}  # as this process finds packages
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-P", "-m", "softmaxd.converting.worker", kind, str(file.resolve()), folder]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)  # noqa: S603
        with process:
            try:
                yield Apart(process, Path(folder), deadline)
            finally:
                process.terminate()
                assert process.stdin is not None
                with suppress(OSError):  # it has ended, and a request is left that it did not take
                    process.stdin.close()
