"""The sentences that errors are to clients that get no list of problems, and to operators who lack a package."""

import shlex
import subprocess
import sys
from collections.abc import Sequence

import pytest

from softmaxd.errors import InvalidBody, Problem, pip_install


@pytest.mark.parametrize(
    ("loc", "sentence"),
    [
        ([], "Input should be a number"),
        (["instances"], "instances: Input should be a number"),
        (["instances", 0, 1], "instances[0][1]: Input should be a number"),
        (["inputs", "features", 2, 0], "inputs.features[2][0]: Input should be a number"),
    ],
)
def test_a_problem_is_told_with_its_place(loc: Sequence[str | int], sentence: str) -> None:
    assert InvalidBody(Problem(type="float_type", loc=loc, msg="Input should be a number")).detail == sentence


def test_several_problems_are_told_one_after_the_other() -> None:
    missing = Problem(type="missing", loc=["examples"], msg="Field required")
    wrong = Problem(type="dict_type", loc=["context"], msg="Input should be an object")

    assert InvalidBody(missing, wrong).detail == "examples: Field required; context: Input should be an object"


def test_a_missing_package_is_installed_for_this_python() -> None:
    command = pip_install("softmaxd")

    *pip, action, package = shlex.split(command)
    found = subprocess.run([*pip, "--version"], capture_output=True, text=True, check=True).stdout
    assert f" from {sys.prefix}/" in found
    assert (action, package) == ("install", "softmaxd")
