"""The plan has one line for each column."""

from dataclasses import replace

from softmaxd_training.frames.columns import frame_of
from softmaxd_training.frames.decisions import ColumnOptions
from softmaxd_training.frames.plan import plan_lines
from tests.support.frames import csv_table


def test_the_plan_tells_the_use_of_each_column() -> None:
    table = csv_table(
        id=[str(1000 + row) for row in range(20)],
        age=["17.5", "90"] * 10,
        job=["clerk", "nurse", "NA", "clerk"] * 5,
        born=["2001-02-03", "1999-12-31"] * 10,
        plan=["gold", "basic"] * 10,
    )
    table = replace(table, notes=("separator: comma",))

    assert plan_lines(frame_of(table, ColumnOptions("plan", date=("born",)))) == (
        "separator: comma",
        "20 rows, 6 features",
        "id            dropped    looks like an identifier: all 20 values are different; `--number id` keeps it",
        "age           number     17.5 to 90",
        "job           category   2 texts: 'clerk', 'nurse'; 5 missing ('NA')",
        "born_year     date part  the year, 1999 to 2001; from 'born' (year-month-day)",
        "born_month    date part  the month, 2 to 12; from 'born' (year-month-day)",
        "born_weekday  date part  the weekday from 1, Monday, 5 to 6; from 'born' (year-month-day)",
        "born_day      date part  days since 1970-01-01, 10956 to 11356; from 'born' (year-month-day)",
        "plan          target     2 labels: 'basic' (10), 'gold' (10)",
    )


def test_a_long_name_is_cut() -> None:
    table = csv_table({"n" * 60: ["1.5", "2"] * 10}, y=["a", "b"] * 10)

    assert plan_lines(frame_of(table, ColumnOptions("y")))[1] == f"'{'n' * 39}…'  number     1.5 to 2"
