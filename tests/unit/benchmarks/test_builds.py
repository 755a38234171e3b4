"""Which build of Python a figure was made with."""

import platform
import sys

import pytest
from benchmarks.builds import ask, by, origin, told
from benchmarks.contenders import Contender, Entry
from benchmarks.load import Exchange


@pytest.mark.parametrize(
    ("arguments", "source"),
    [
        ("'--prefix=/home/me/.pyenv/versions/3.13.0' '--enable-shared'", "pyenv"),
        ("'--enable-shared' '--prefix=/usr' '--libdir=/usr/lib/x86_64-linux-gnu'", "Debian"),
        ("'--enable-optimizations' '--enable-option-checking=fatal' '--with-lto'", "the official image"),
        ("'--prefix=/usr/local'", "another source"),
        ("", "another source"),
    ],
)
def test_tells_where_a_python_is_from(arguments: str, source: str) -> None:
    assert origin(arguments) == source


def test_tells_a_build_in_a_phrase() -> None:
    build = {"implementation": "CPython", "version": "3.13.0", "compiler": "GCC 12.2.0", "from": "Debian"}

    assert told(build | {"optimisations": "PGO, LTO"}) == "CPython 3.13.0 from Debian (GCC 12.2.0, PGO, LTO)"
    assert told(build | {"optimisations": ""}) == "CPython 3.13.0 from Debian (GCC 12.2.0)"


def test_asks_an_interpreter_for_its_build_and_its_packages() -> None:
    answer = ask(sys.executable, ["pytest", "no-such-package"])

    assert answer["build"]["version"] == platform.python_version()
    assert answer["build"]["compiler"] == platform.python_compiler()
    assert answer["versions"] == {"python": platform.python_version(), "pytest": pytest.__version__}


def test_starts_only_programs_in_python_by_another_interpreter() -> None:
    question = Exchange("/predict", b"{}", lambda _reply: None)
    ours = Entry(Contender("softmaxd", [sys.executable, "-m", "softmaxd"]), question)
    nginx = Entry(Contender("nginx", ["nginx", "-p", "."]), question)

    assert by("/image/bin/python", ours).contender.command == ["/image/bin/python", "-m", "softmaxd"]
    assert by("/image/bin/python", nginx) == nginx
