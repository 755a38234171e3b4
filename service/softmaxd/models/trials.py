"""Tries a version folder in a process of its own, with limits of CPU time, memory and waiting.

A model that hangs, crashes or takes all memory then takes nothing with it. A trial that fails for want of something
that may come, such as time on a busy machine, raises `NotNow`; any other failure is the model's own.

`python -m softmaxd.models.trials FOLDER SECONDS` is that process.
"""

import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from softmaxd.errors import ModelError
from softmaxd.models.files import NotNow
from softmaxd.models.headroom import bytes_left, watch
from softmaxd.models.loading import load
from softmaxd.models.memory import keep_freed_memory
from softmaxd.settings import Settings

TRIAL_BYTES = 4 * 2**30  # of address space
OOM_SCORE = Path("/proc/self/oom_score_adj")
POLL_SECONDS = 0.1  # until a stop is noticed
REJECTED, NOT_NOW = 3, 75  # exit codes; 75 is EX_TEMPFAIL of sysexits.h
INTERRUPTS = {signal.SIGTERM, signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGTERM)}
CPU_TIME_IS_OVER = getattr(signal, "SIGXCPU", None)  # Windows has none of these
KILLED = getattr(signal, "SIGKILL", None)
SCARCE = re.compile(
    r"bad_alloc|MemoryError|allocate memory|out of memory|can't start new thread|Resource temporarily unavailable"
    r"|Too many open files"
)


def try_out(folder: Path, settings: Settings, stop: threading.Event | None = None) -> None:
    """Load a version folder in another process, which is killed at a stop.

    Raises `ModelError` with its reason, or with how it ended; `NotNow` if the reason may pass by itself.
    """
    words = (folder, settings.models_dir, settings.trial_cpu_seconds)
    command = [sys.executable, "-m", "softmaxd.models.trials", *map(str, words)]
    try:
        trial = subprocess.Popen(  # noqa: S603 - our own Python
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise NotNow(f"its trial cannot be started: {error.strerror}") from error
    with trial:
        try:
            printed = _wait(trial, settings, stop or threading.Event())
        finally:
            trial.kill()
    _check_end(trial.returncode, printed, settings)


def _wait(trial: "subprocess.Popen[str]", settings: Settings, stop: threading.Event) -> str:
    """Return the lines on standard error once the trial has ended. Raises `NotNow` when it takes too long."""
    deadline = time.monotonic() + settings.trial_timeout
    while time.monotonic() < deadline and not stop.is_set():
        with suppress(subprocess.TimeoutExpired):
            return trial.communicate(timeout=POLL_SECONDS)[1]
    raise NotNow(
        f"its trial did not end within {settings.trial_timeout:g} s (trial_timeout), but took less than "
        f"{settings.trial_cpu_seconds:g} s of CPU time: the machine is busy, or its files cannot be read"
    )


def _check_end(code: int, printed: str, settings: Settings) -> None:
    """Raise `ModelError` or `NotNow` unless a trial has ended well."""
    reason = (printed.strip().splitlines() or ["it failed without a word"])[-1]
    if code == 0:
        return
    if -code == CPU_TIME_IS_OVER:
        limit = f"{settings.trial_cpu_seconds:g} s of CPU time (trial_cpu_seconds)"
        raise ModelError(f"loading and running it takes more than {limit}")
    if -code == KILLED:
        raise NotNow("its trial was killed, most likely because the machine had no memory left")
    if -code in INTERRUPTS:
        raise NotNow(f"its trial was ended by signal {-code}")
    if code not in {REJECTED, NOT_NOW} and SCARCE.search(printed):
        raise NotNow(f"its trial lacked memory, threads or files: {reason}")
    if code < 0:
        raise ModelError(f"loading or running it ends the process by signal {-code}")
    if code == REJECTED:
        raise ModelError(reason)
    raise NotNow(reason if code == NOT_NOW else f"its trial failed: {reason}")


def passing(error: ModelError) -> ModelError:
    """Return an error as `NotNow` if it is for want of memory, threads or files."""
    return NotNow(str(error)) if SCARCE.search(str(error)) else error


def limit(cpu_seconds: float) -> None:
    """Limit CPU time and memory of this process, and let it be the first that Linux kills for want of memory."""
    import resource  # noqa: PLC0415 - Windows has no such module

    seconds = math.ceil(cpu_seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    with suppress(ValueError):  # macOS has the limit but does not take it
        resource.setrlimit(resource.RLIMIT_AS, (TRIAL_BYTES, TRIAL_BYTES))
    with suppress(OSError):  # only Linux has this file
        OOM_SCORE.write_text("1000")


def _main(folder: str, models_dir: str, cpu_seconds: str) -> NoReturn:
    settings = Settings(models_dir=Path(models_dir), device="cpu")
    limit(float(cpu_seconds))
    keep_freed_memory()
    watch(bytes_left(), lambda: os.kill(os.getpid(), signal.SIGKILL))
    try:
        with ThreadPoolExecutor(1) as thread:  # as in the service, so that it does not need more memory than its trial
            thread.submit(load, Path(folder), settings).result()
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(NOT_NOW if isinstance(passing(error), NotNow) else REJECTED)
    sys.exit(0)


if __name__ == "__main__":
    _main(*sys.argv[1:])
