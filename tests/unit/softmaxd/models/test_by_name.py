import pytest

from softmaxd.errors import InvalidBody, Problem
from softmaxd.models.by_name import MOST_LISTED, MOST_OF_A_KIND, by_name, listed, nearest_name
from softmaxd.models.problems import MAX_KEY

FLOWER = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


def problems(row: dict[str, float], names: list[str]) -> list[Problem]:
    with pytest.raises(InvalidBody) as refused:
        by_name(row, names, ["instances", 7])
    return list(refused.value.problems)


def test_the_numbers_come_in_the_models_order() -> None:
    assert by_name({"b": 2.0, "c": 3.0, "a": 1.0}, ["a", "b", "c"], []) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("petal_lenght", "petal_length"),
        ("Petal_Width", "petal_width"),
        ("sepal width (cm)", "sepal_width"),
        ("PETALLENGTH", "petal_length"),
    ],
)
def test_a_misspelt_feature_is_missing_and_its_key_unknown(key: str, nearest: str) -> None:
    missing, unknown = problems({**{name: 1.0 for name in FLOWER if name != nearest}, key: 1.0}, FLOWER)

    assert missing == {"type": "missing", "loc": ["instances", 7, nearest], "msg": "Field required"}
    assert (unknown["type"], unknown["loc"]) == ("extra_forbidden", ["instances", 7, key])
    assert unknown["msg"] == f"Extra inputs are not permitted; the nearest feature is {nearest}"


def test_all_features_of_an_empty_row_are_missing() -> None:
    assert [(problem["type"], problem["loc"]) for problem in problems({}, ["x1", "x2"])] == [
        ("missing", ["instances", 7, "x1"]),
        ("missing", ["instances", 7, "x2"]),
    ]


def test_only_missing_features_are_proposed() -> None:
    (unknown,) = problems({"x1": 1.0, "x2": 2.0, "X2": 3.0}, ["x1", "x2"])

    assert unknown["msg"] == "Extra inputs are not permitted; the features are x1, x2"


def test_of_names_that_differ_in_case_only_the_first_missing_one_is_proposed() -> None:
    *_, unknown = problems({"ab": 1.0}, ["Ab", "aB"])

    assert unknown["msg"].endswith("; the nearest feature is Ab")


def test_a_long_list_of_names_is_shortened() -> None:
    assert listed("abc") == listed("abc", 3) == "a, b, c"
    assert listed("abcde", 3) == "a, b, c and 2 more"


def test_five_of_each_kind_are_named_and_long_names_cut() -> None:
    found = problems({f"{number}{'é' * 100}": 1.0 for number in range(20)}, [f"x{number}" for number in range(784)])

    assert [problem["type"] for problem in found] == ["missing"] * MOST_OF_A_KIND + ["extra_forbidden"] * MOST_OF_A_KIND
    assert [problem["loc"][2] for problem in found[:MOST_OF_A_KIND]] == ["x0", "x1", "x2", "x3", "x4"]
    assert all(len(str(problem["loc"][2])) <= MAX_KEY for problem in found)
    assert found[-1]["msg"].endswith(f"x18, x19 and {784 - MOST_LISTED} more")


@pytest.mark.parametrize(
    ("name", "known", "nearest"),
    [("PETAL", ["sepal", "petal"], "petal"), ("ab", ["Ab", "aB"], "Ab"), ("z", ["Ab"], None), ("z", [], None)],
)
def test_the_nearest_name_may_have_letters_of_another_case(name: str, known: list[str], nearest: str | None) -> None:
    assert nearest_name(name, known) == nearest
