"""The command of a training tells all its options."""

from softmaxd.cli.main import parser
from softmaxd_training.frames.decisions import ColumnOptions
from softmaxd_training.frames.options import ReadOptions
from softmaxd_training.job import Job


def test_the_command_has_only_the_options_that_are_not_the_defaults() -> None:
    job = Job("iris.csv", "iris", ColumnOptions("species"))

    assert job.command == "softmaxd train table iris.csv --target species --name iris --seed 0"


def test_the_command_is_that_of_the_options() -> None:
    columns = ColumnOptions(
        "the label", ("-999", "un known"), ("zip",), ("x", "y"), ("first seen",), min_rows=3, merge_rare="other"
    )
    job = Job("a b.csv", "ab", columns, ReadOptions(";", "latin-1", False, "Sheet 2"), seed=5, is_sampled=False)

    assert job.command == (
        "softmaxd train table 'a b.csv' --target 'the label' --name ab --no-header --separator ';' --encoding latin-1"
        " --sheet 'Sheet 2' --missing=-999 --missing 'un known' --category zip --number x --number y"
        " --date 'first seen' --min-rows 3 --merge-rare other --seed 5 --no-sample"
    )


def test_the_command_is_understood() -> None:
    words = [*Job("a.csv", "a", ColumnOptions("b", ("-1",)), ReadOptions(header=True))._options()]

    options = parser().parse_args(["train", "table", "a.csv", "--target", "b", *words])

    assert (options.header, options.missing) == (True, ["-1"])
