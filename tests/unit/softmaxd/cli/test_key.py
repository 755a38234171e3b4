import os
import re
import subprocess
import sys

import pytest

from tests.support.command import softmaxd
from tests.support.keys import FIRST, hashed
from tests.support.paths import REPOSITORY


def key_hash(text: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "softmaxd", "key", "hash"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, cwd=REPOSITORY)


def test_a_new_key_is_alone_on_standard_output_and_its_hash_beside_it() -> None:
    (code, key, beside), (_, other, _) = softmaxd("key", "new"), softmaxd("key", "new")

    assert code == 0
    assert re.fullmatch(r"softmaxd_[A-Za-z0-9_-]{43}\n", key)
    assert key != other
    assert beside == f"softmaxd: the service needs its hash only: {hashed(key.strip())}\n"
    assert key_hash(key).stdout == hashed(key.strip()) + "\n"


@pytest.mark.parametrize(
    "text", ["", "\n", "too short\n", "a" * 15, "with a space inside", "ünïcödé-and-long-enough", "a" * 1025]
)
def test_a_text_that_is_no_good_key_is_refused_and_not_shown(text: str) -> None:
    ended = key_hash(text)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(r"softmaxd: a key has 16 to 1,024 visible .* softmaxd key new makes one\n", ended.stderr)


def test_a_terminal_is_asked_without_showing_the_key() -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "softmaxd", "key", "hash"]
    pipes = {"stdin": theirs, "stdout": subprocess.PIPE, "stderr": theirs}
    with subprocess.Popen(command, start_new_session=True, cwd=REPOSITORY, **pipes) as process:  # type: ignore[call-overload]
        shown = b""
        while b"key: " not in shown:
            shown += os.read(ours, 1024)
        os.write(ours, FIRST.encode() + b"\n")
        printed = process.stdout.read().decode()
    os.close(theirs)
    shown += os.read(ours, 1024)
    os.close(ours)

    assert printed == hashed(FIRST) + "\n"
    assert FIRST.encode() not in shown
