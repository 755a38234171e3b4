"""A trial tells a model's own fault from want of time, memory, threads or files."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from softmaxd.errors import ModelError
from softmaxd.models.files import NotNow
from softmaxd.models.trials import passing, try_out
from softmaxd.settings import Settings
from tests.support.onnx_models import linear, publish

BUSY = "while True: pass"
ASLEEP = "import time; time.sleep(600)"


def test_a_good_version_passes_its_trial(tmp_path: Path) -> None:
    try_out(publish(tmp_path, 1, linear().SerializeToString()), Settings())


def test_a_trial_says_why_a_version_fails(tmp_path: Path) -> None:
    folder = publish(tmp_path, 1, linear().SerializeToString(), digest="0" * 64)

    with pytest.raises(ModelError, match=r"^model\.onnx does not match its manifest") as raised:
        try_out(folder, Settings())
    assert not isinstance(raised.value, NotNow)


def replace_python(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let trials run this code, within their limits, in the place of loading a version."""
    python = folder / "python"
    program = (
        "import resource, sys; seconds = int(float(sys.argv[-1])); "
        f"resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1)); exec({code!r})"
    )
    (folder / "program.py").write_text(program)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {folder}/program.py "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ends the process by signal 11"),
        (BUSY, r"takes more than 1 s of CPU time \(trial_cpu_seconds\)$"),
        ("import sys; print('it is wrong', file=sys.stderr); sys.exit(3)", "^it is wrong$"),
    ],
)
def test_the_fault_of_a_version_is_final(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    replace_python(tmp_path, monkeypatch, code)

    with pytest.raises(ModelError, match=reason) as raised:
        try_out(tmp_path, Settings(trial_cpu_seconds=1))
    assert not isinstance(raised.value, NotNow)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os.kill(os.getpid(), 9)", "killed, most likely because the machine had no memory left"),
        ("import os; os.kill(os.getpid(), 15)", "ended by signal 15"),
        ("raise MemoryError", "lacked memory, threads or files: MemoryError"),
        ("raise OSError(23, 'Too many open files in system')", "lacked memory, threads or files: OSError"),
        ("import sys; print('it is away', file=sys.stderr); sys.exit(75)", "^it is away$"),
        ("raise SystemExit(1)", "^its trial failed: it failed without a word$"),
        (ASLEEP, r"did not end within 0\.5 s \(trial_timeout\), but took less than 15 s of CPU time"),
    ],
)
def test_a_want_of_time_memory_or_files_may_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    replace_python(tmp_path, monkeypatch, code)

    with pytest.raises(NotNow, match=reason):
        try_out(tmp_path, Settings(trial_timeout=0.5 if code == ASLEEP else 60))


def test_waiting_is_not_counted_as_cpu_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_python(tmp_path, monkeypatch, "import time; time.sleep(1.5)")

    try_out(tmp_path, Settings(trial_cpu_seconds=1))


def test_a_trial_that_cannot_be_started_is_put_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))

    with pytest.raises(NotNow, match=r"^its trial cannot be started: No such file or directory$"):
        try_out(tmp_path, Settings())


def test_a_stop_ends_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_python(
        tmp_path, monkeypatch, f"open({str(tmp_path / 'pid')!r}, 'w').write(str(__import__('os').getpid())); {ASLEEP}"
    )
    stop = threading.Event()

    def stop_once_it_runs() -> None:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            stop.wait(0.01)
        stop.set()

    threading.Thread(target=stop_once_it_runs).start()
    with pytest.raises(NotNow):
        try_out(tmp_path, Settings(), stop)

    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize(
    ("reason", "may_pass"),
    [
        ("ONNX Runtime cannot load it: std::bad_alloc", True),
        ("ONNX Runtime cannot run 64 rows: Failed to allocate memory for requested buffer of size 68719476736", True),
        ("ONNX Runtime cannot load it: CUDA failure 2: out of memory ; GPU=0", True),
        ("ONNX Runtime cannot load it: No graph was found in the protobuf.", False),
    ],
)
def test_a_want_of_memory_is_known_by_its_words(reason: str, may_pass: bool) -> None:
    assert isinstance(passing(ModelError(reason)), NotNow) == may_pass
    assert str(passing(ModelError(reason))) == reason


LIMITED = """
import resource
from softmaxd.models import trials
trials.limit(1.5)
print(resource.getrlimit(resource.RLIMIT_CPU), open("/proc/self/oom_score_adj").read().strip())
from pathlib import Path
trials.OOM_SCORE = Path("/nowhere/oom_score_adj")
trials.limit(2)
print(resource.getrlimit(resource.RLIMIT_CPU))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")
def test_a_trial_has_limits_and_is_killed_before_the_service() -> None:
    ended = subprocess.run([sys.executable, "-c", LIMITED], check=True, capture_output=True, text=True)

    assert ended.stdout.splitlines() == ["(2, 3) 1000", "(2, 3)"]


@pytest.mark.parametrize(("content", "code"), [(linear().SerializeToString(), 0), (b"broken", 3)])
def test_the_exit_code_of_a_trial_says_how_it_went(tmp_path: Path, content: bytes, code: int) -> None:
    folder = publish(tmp_path, 1, content)

    ended = subprocess.run(
        [sys.executable, "-m", "softmaxd.models.trials", str(folder), str(tmp_path), "0.5e1"], check=False, stderr=-1
    )

    assert ended.returncode == code


@pytest.mark.parametrize("place", ["linear", "linear/1"])
def test_the_folder_of_one_model_or_version_passes_its_trial(tmp_path: Path, place: str) -> None:
    folder = publish(tmp_path, 1, linear().SerializeToString())
    mounted = (tmp_path / place).rename(tmp_path / "mnt")

    try_out(mounted / "1" if place == "linear" else mounted, Settings(models_dir=mounted))
    assert not folder.exists()
