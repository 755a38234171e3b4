"""The sentence that an error is to clients that get no list of problems."""

from collections.abc import Sequence

import pytest

from softmaxd.errors import InvalidBody, Problem


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
