"""The results of a measurement: values per round, and figures with their targets."""

import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from benchmarks.builds import ask
from benchmarks.processes import ROOT

PACKAGES = (
    *("fastapi", "starlette", "pydantic", "uvicorn", "uvloop", "httptools"),
    *("numpy", "onnxruntime", "onnxruntime-gpu", "orjson", "pysimdjson", "prometheus-client"),
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value per round."""

    name: str
    unit: str
    rounds: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)


@dataclass(frozen=True, slots=True)
class Figure:
    """A target and its measurement: the median of the rounds decides."""

    text: str
    relation: Literal["≥", "≤", "<"]
    target: float
    rounds: Sequence[float]
    unit: str = "×"

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def holds(self) -> bool:
        if self.relation == "<":
            return self.median < self.target
        return self.median >= self.target if self.relation == "≥" else self.median <= self.target


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of a scenario."""

    measurements: list[Measurement] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    not_measured: dict[str, str] = field(default_factory=dict)


def to_json(
    key: str,
    work: str,
    settings: Mapping[str, object],
    outcome: Outcome,
    peers: Mapping[str, str],
    python: str = sys.executable,
) -> dict[str, Any]:
    """Return everything that belongs into the file of a scenario, whose contenders ran by `python`."""
    told = ask(python, PACKAGES)
    return {
        "scenario": key,
        "work": work,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": _machine(),
        "python": told["build"],
        "versions": told["versions"] | _programs() | dict(peers),
        "settings": settings,
        "figures": [_summary(figure) | {"holds": figure.holds} for figure in outcome.figures],
        "measurements": [_summary(measurement) for measurement in outcome.measurements],
        "notes": outcome.notes,
        "not_measured": outcome.not_measured,
    }


def _summary(values: Figure | Measurement) -> dict[str, Any]:
    rounds = [_round(value) for value in values.rounds]
    return asdict(values) | {
        "rounds": rounds,
        "median": _round(values.median),
        "min": min(rounds),
        "max": max(rounds),
    }


def _round(value: float) -> float:
    return float(f"{value:.5g}")


def _commit() -> str:
    """Return the commit that was measured, marked when the tree had changes that are not in it."""
    commit = _said("git", "--no-optional-locks", "rev-parse", "HEAD")
    if not re.fullmatch("[0-9a-f]{40}", commit):
        return "none"
    changes = _said("git", "--no-optional-locks", "status", "--porcelain", "--", "service", "models", "pyproject.toml")
    return f"{commit} with changes" if changes else commit


def _machine() -> dict[str, object]:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "cpu": model[1] if model else platform.processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
    }


def _programs() -> dict[str, str]:
    found = {}
    for program in ("wrk", "nginx"):
        number = re.search(r"\d+\.\d+\.\d+", _said(program, "-v"))
        if number:
            found[program] = number[0]
    return found


def _said(*command: str) -> str:
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, cwd=ROOT
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip()
