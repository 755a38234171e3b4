import argparse
from pathlib import Path

import pytest

from softmaxd.cli.parser import MOST_NUMBERED, Parser, feature_names, names, need, whole_number
from softmaxd.errors import StartupError


def parser() -> Parser:
    whole = Parser(prog="tool")
    commands = whole.add_commands("command")
    commands.add_parser("serve").add_argument("--port")
    commands.add_parser("add").add_argument("--name", required=True)
    commands.add_parser("train").add_argument("--epochs", type=whole_number(least=1))
    return whole


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (
            ["serve", "--prot", "1"],
            ["usage: tool serve [-h] [--port PORT]", "tool serve: error: unknown option --prot; did you mean --port?"],
        ),
        (
            ["serve", "--prot=1"],
            ["usage: tool serve [-h] [--port PORT]", "tool serve: error: unknown option --prot; did you mean --port?"],
        ),
        (["serve", "--xyz"], ["usage: tool serve [-h] [--port PORT]", "tool serve: error: unknown option --xyz"]),
        (
            ["serve", "--po", "1"],
            ["usage: tool serve [-h] [--port PORT]", "tool serve: error: unknown option --po; did you mean --port?"],
        ),
        (["serve", "7"], ["usage: tool serve [-h] [--port PORT]", "tool serve: error: unexpected argument 7"]),
        (
            ["add", "--nme", "x"],
            ["usage: tool add [-h] --name NAME", "tool add: error: unknown option --nme; did you mean --name?"],
        ),
        (
            ["add"],
            ["usage: tool add [-h] --name NAME", "tool add: error: the following arguments are required: --name"],
        ),
        (["--prt"], ["usage: tool [-h] command ...", "tool: error: unknown option --prt"]),
        (["srve"], ["usage: tool [-h] command ...", "tool: error: unknown command srve; did you mean serve?"]),
        (["x"], ["usage: tool [-h] command ...", "tool: error: unknown command x"]),
        ([], ["usage: tool [-h] command ...", "tool: error: the following arguments are required: command"]),
        (
            ["train", "--epochs", "x"],
            [
                "usage: tool train [-h] [--epochs EPOCHS]",
                "tool train: error: argument --epochs: expected a whole number of at least 1, not 'x'",
            ],
        ),
    ],
)
def test_an_error_shows_the_usage_of_its_own_command_and_the_nearest_name(
    arguments: list[str], lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        parser().parse_args(arguments)

    assert exit_.value.code == 2
    assert capsys.readouterr().err.splitlines() == lines


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("+7", 7), ("9", 9)])
def test_a_whole_number_is_read(text: str, number: int) -> None:
    assert whole_number(least=0, below=10)(text) == number


@pytest.mark.parametrize("text", ["", "x", "1.0", "-1", "10", "1e1", " 1", "٣", "1_0", "9" * 10_000])
def test_anything_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"^expected a whole number from 0 to 9, not '"):
        whole_number(least=0, below=10)(text)


def test_names_are_separated_by_commas() -> None:
    assert names("a, b,c d") == ["a", "b", "c d"]


@pytest.mark.parametrize(
    "content", ["tench, Tinca tinca\nGötterbaum \n", "\ufefftench, Tinca tinca\r\nGötterbaum\r\n\r\n"]
)
def test_names_of_a_file_stand_one_a_line(content: str, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(content.encode())

    assert names(f"@{tmp_path / 'labels.txt'}") == ["tench, Tinca tinca", "Götterbaum"]
    assert feature_names(f"@{tmp_path / 'labels.txt'}") == ["tench, Tinca tinca", "Götterbaum"]


def test_an_empty_line_between_names_is_a_name_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("a\n\nb\n")

    assert names(f"@{tmp_path / 'labels.txt'}") == ["a", "", "b"]


@pytest.mark.parametrize(
    ("content", "message"), [(None, "No such file or directory: "), (b"\xff", "is not UTF-8 text")]
)
def test_a_file_of_names_that_cannot_be_read_is_named(content: bytes | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(argparse.ArgumentTypeError) as refused:
        names(f"@{file}")

    assert message in str(refused.value)
    assert str(file) in str(refused.value)


def test_a_number_of_features_numbers_them() -> None:
    assert feature_names("3") == ["x0", "x1", "x2"]
    assert feature_names("a, 3") == ["a", "3"]


@pytest.mark.parametrize("text", ["0", str(MOST_NUMBERED + 1), "9" * 30])
def test_a_number_of_features_has_limits(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"^expected a whole number from 1 to 100000, not '"):
        feature_names(text)


def test_a_missing_extra_is_named_with_the_command_that_installs_it() -> None:
    need(["json"], "tool train", "train")
    with pytest.raises(StartupError, match=r"^tool train needs .*: .*python.* -m pip install 'softmaxd\[train\]',"):
        need(["json", "no_such_module"], "tool train", "train")
