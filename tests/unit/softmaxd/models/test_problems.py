import pytest
from pydantic import TypeAdapter, ValidationError

from softmaxd.errors import Problem
from softmaxd.models.problems import MAX_ERRORS, MAX_KEY, MAX_PROBLEMS, problems_of
from softmaxd.protocols.native.schemas import PREDICT_REQUEST
from softmaxd.protocols.v1.schemas import CLASSIFY_REQUEST


def problems(body: bytes, schema: TypeAdapter[object] = PREDICT_REQUEST) -> list[Problem]:  # type: ignore[assignment]
    with pytest.raises(ValidationError) as refused:
        schema.validate_json(body)
    return problems_of(refused.value)


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        (b'{"instances": [[1, 2], [3, "4"]]}', ["instances", 1, 1]),
        (b'{"instances": [{"x1": 1}, {"x1": null}]}', ["instances", 1, "x1"]),
        (b'{"instances": [{"rows": true}]}', ["instances", 0, "rows"]),
    ],
    ids=["rows", "records", "a name like a branch"],
)
def test_only_the_branch_that_came_furthest_is_reported(body: bytes, loc: list[str | int]) -> None:
    assert [problem["loc"] for problem in problems(body)] == [loc]


def test_each_wrong_field_is_reported() -> None:
    found = problems(b'{"instances": [["a"]], "top_k": 0, "%s": 1}' % (b"k" * 100))

    assert [problem["loc"] for problem in found] == [["instances", 0, 0], ["top_k"], ["k" * MAX_KEY]]


def test_many_problems_are_cut_or_counted() -> None:
    def body(fields: int) -> bytes:
        return b'{"instances": [[1]], %s}' % b",".join(b'"%d": 1' % number for number in range(fields))

    assert len(problems(body(MAX_ERRORS))) == MAX_PROBLEMS
    assert problems(body(MAX_ERRORS + 1)) == [
        {"type": "too_many_errors", "loc": [], "msg": "Input has 101 errors, most of them unknown fields"}
    ]


@pytest.mark.parametrize("name", ["index", "rows", "records"])
def test_a_feature_may_be_called_like_a_branch(name: str) -> None:
    with pytest.raises(ValidationError) as error:
        CLASSIFY_REQUEST.validate_json(b'{"examples":[{"%s":1},{"%s":"a"}]}' % (name.encode(), name.encode()))

    assert problems_of(error.value)[0]["loc"] == ["examples", 1, name]
