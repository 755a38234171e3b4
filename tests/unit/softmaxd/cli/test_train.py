"""The training command publishes, or says in one line why it does not."""

import cmath
import io
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from softmaxd.cli.main import main
from softmaxd.cli.train import BLOBS_EPOCHS, EXAMPLES, TABLE_MIN_ROWS
from softmaxd.errors import pip_install
from softmaxd.models.loading import read_manifest
from softmaxd_training.card import EPOCHS
from softmaxd_training.examples import TARGETS, write_example
from softmaxd_training.frames.decisions import LEAST_ROWS
from tests.support.paths import REPOSITORY
from tests.support.processes import forget, start

PROGRESS = re.compile(r".* \(\d+ s\)")  # every ten seconds, if the machine is so slow
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def iris(tmp_path: Path) -> Path:
    """A table that can be trained on."""
    text = io.StringIO()
    write_example("iris", text)
    (tmp_path / "iris.csv").write_text(text.getvalue())
    return tmp_path / "iris.csv"


@pytest.mark.parametrize(
    ("recipe", "epochs", "more"),
    [
        (
            "blobs",
            8,
            ["Bayes-optimal loss of the same 250 test rows: ", "on 1,000,000 fresh rows, calibrated: loss 0."],
        ),
        ("digits", 20, []),
    ],
)
def test_a_recipe_prints_every_seed_and_the_published_version(
    tmp_path: Path, capsys: Capture, recipe: str, epochs: int, more: list[str]
) -> None:
    options = ["--seeds", "2", "--epochs", str(epochs), "--models-dir", str(tmp_path)]

    assert main(["train", recipe, *options]) == 0

    title, first, second, spread, *bayes, figures, place = capsys.readouterr().out.splitlines()
    assert title.startswith("seed  validation loss  test loss  test accuracy")
    assert [line.split()[0] for line in (first, second)] == ["0", "1"]
    assert [line.endswith("  chosen") for line in (first, second)].count(True) == 1
    assert spread.startswith("test loss from ")
    assert [line[: len(start)] for line, start in zip(bayes, more, strict=True)] == more
    assert figures.startswith(f"{recipe} version 1: accuracy ")
    assert place == f"published {tmp_path / recipe / '1'}"


def test_the_articles_training_is_one_option(tmp_path: Path, capsys: Capture) -> None:
    assert main(["train", "blobs", "--article", "--models-dir", str(tmp_path)]) == 0

    manifest = read_manifest(tmp_path / "blobs" / "1")
    assert capsys.readouterr().out.splitlines()[-1] == f"published {tmp_path / 'blobs' / '1'}"
    assert manifest.provenance is not None
    assert manifest.provenance.command == "softmaxd train blobs --seeds 1 --epochs 30"


PLAN = """\
separator: comma
150 rows, 4 features
sepal_length  number     4.3 to 7.9
sepal_width   number     2 to 4.4
petal_length  number     1 to 6.9
petal_width   number     0.1 to 2.5
species       target     3 labels: 'setosa' (50), 'versicolor' (50), 'virginica' (50)
rows: 120 for training, 30 for testing
"""


def test_table_prints_the_plan_the_candidates_and_the_published_version(iris: Path, capfd: Capture) -> None:
    assert main(["train", "table", str(iris), "--target", "species", "--models-dir", str(iris.parent)]) == 0

    output, error = capfd.readouterr()
    plan, rest = output.split("\n\n")
    *candidates, figures, place = rest.splitlines()
    assert f"{plan}\n" == PLAN
    assert [line.partition("  ")[0] for line in candidates] == [
        *("networks", "trees", "linear"),
        *("networks and trees", "networks and linear", "trees and linear", "networks, trees and linear"),
    ]
    assert [line.endswith("  chosen") for line in candidates].count(True) == 1
    assert figures.startswith("iris version 1: accuracy ")
    assert place == f"published {iris.parent / 'iris' / '1'}"
    assert [line for line in error.splitlines() if not PROGRESS.fullmatch(line)] == []


def test_a_dry_run_prints_the_plan_and_writes_nothing(iris: Path, capsys: Capture) -> None:
    assert main(["train", "table", str(iris), "--target", "species", "--dry-run", "--models-dir", str(iris)]) == 0

    assert capsys.readouterr().out == PLAN
    assert sorted(iris.parent.iterdir()) == [iris]


def test_the_options_of_a_table_decide_how_it_is_read_and_understood(tmp_path: Path, capsys: Capture) -> None:
    rows = [f"{number % 5};{number % 3};{number},5;{number % 2}.3.2026;{'abc'[number % 3]}" for number in range(1, 91)]
    rows += ["1;-1;none;1.3.2026;d", "1;2;1,5;2.3.2026;e"]
    (tmp_path / "rows.csv").write_bytes(
        "\n".join([*rows, "1;0;1,5;3.3.2026;ä"]).replace(";0.3.", ";7.3.").encode("latin-1")
    )
    options = {
        "--target": "column5",
        "--separator": ";",
        "--encoding": "latin-1",
        "--category": "column1",
        "--number": "column3",
        "--date": "column4",
        "--missing": "none",
        "--min-rows": "3",
        "--merge-rare": "other",
    }
    words = [word for option in options.items() for word in option]

    assert main(["train", "table", str(tmp_path / "rows.csv"), "--no-header", "--dry-run", *words]) == 0

    plan = capsys.readouterr().out
    assert "column1          category " in plan
    assert "1 missing ('none')" in plan
    assert "column4_weekday  date part" in plan
    assert "4 labels: 'a' (30), 'b' (30), 'c' (30), 'other' (3); 3 rare labels became 'other'" in plan


@pytest.mark.parametrize(("more", "is_told"), [([], True), (["--no-sample"], False)])
def test_table_tells_that_training_rows_are_published(
    tmp_path: Path, capsys: Capture, more: list[str], is_told: bool
) -> None:
    rings = [(cmath.rect(10 + 20 * (number % 2), number * math.pi / 20), "ab"[number % 2]) for number in range(100)]
    rows = [f"{point.real:.2f},{point.imag:.2f},{ring}" for point, ring in rings]
    (tmp_path / "rings.csv").write_text("\n".join(["x,y,ring", *rows]))
    options = ["--target", "ring", "--models-dir", str(tmp_path)]

    assert main(["train", "table", str(tmp_path / "rings.csv"), *options, *more]) == 0

    told = [
        "80 training rows are in the manifest, for the map; --no-sample leaves them out",
        "70 training rows are in the graph, for the typicality; --no-sample leaves them out",
    ]
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "training rows are in" in line] == (told if is_told else [])


def test_a_table_that_is_refused_is_told_in_a_line_for_each_problem(iris: Path, capsys: Capture) -> None:
    words = ["--target", "colour", "--number", "width", "--models-dir", str(iris.parent / "models")]

    code = main(["train", "table", str(iris), *words])

    first, second = capsys.readouterr().err.splitlines()
    assert code == 1
    assert first.startswith("softmaxd: iris.csv: it has no column 'colour' for --target")
    assert second.startswith("softmaxd: iris.csv: it has no column 'width' for --number")
    assert second.endswith("; nothing was written")
    assert sorted(iris.parent.iterdir()) == [iris]


def test_a_file_that_is_not_there_is_told(tmp_path: Path, capsys: Capture) -> None:
    code = main(
        ["train", "table", str(tmp_path / "none.csv"), "--target", "label", "--models-dir", str(tmp_path / "models")]
    )

    assert code == 1
    assert capsys.readouterr().err == "softmaxd: none.csv: there is no such file; nothing was written\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["--name", "my plants"], ["--name", ""], ["--name", "../plants"]])
def test_a_name_that_the_service_would_refuse_is_refused(
    arguments: list[str], iris: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my plants.csv"
    file.write_bytes(iris.read_bytes())
    iris.unlink()

    code = main(
        ["train", "table", str(file), "--target", "species", "--models-dir", str(tmp_path / "models"), *arguments]
    )

    (line,) = capsys.readouterr().err.splitlines()
    assert code == 1
    assert line.startswith("softmaxd: a model cannot be called ")
    assert line.endswith("give another one with --name; nothing was written")
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "models").write_text("a file")

    code = main(["train", "blobs", "--seeds", "1", "--epochs", "8", "--models-dir", str(tmp_path / "models")])

    *_, last = capfd.readouterr().err.splitlines()
    assert code == 1
    assert last == f"softmaxd: Not a directory: {tmp_path / 'models' / 'blobs'}; nothing was written"


def test_an_example_whose_reader_has_seen_enough_ends_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        command = [sys.executable, "-m", "softmaxd", "train", "example", "wine"]
        result = subprocess.run(command, cwd=REPOSITORY, stdout=pipe, stderr=subprocess.PIPE, check=False)

    assert (result.returncode, result.stderr) == (0, b"")


def test_ctrl_c_stops_in_one_line_and_leaves_nothing_behind(tmp_path: Path) -> None:
    # The child would ignore it if the tests were started in the background; a handler of ours ends with its start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        options = ["--epochs", "2", "--seeds", "1000", "--models-dir", str(tmp_path)]
        training = start([sys.executable, "-m", "softmaxd", "train", "blobs", *options], cwd=REPOSITORY)
    finally:
        signal.signal(signal.SIGINT, before)
    with training:
        assert training.stderr is not None
        first = training.stderr.readline()
        training.send_signal(signal.SIGINT)
        rest = [line for line in training.stderr.read().splitlines() if not line.startswith("seed ")]
    forget(training)

    assert first.startswith("seed 0: validation loss ")
    assert (training.returncode, rest) == (130, ["softmaxd: interrupted; no half-written version is left"])
    assert list(tmp_path.iterdir()) == []


TABLE = ["table", "a.csv", "--target", "b"]


@pytest.mark.parametrize(
    ("command", "option"),
    [(["blobs"], "--seeds"), (["blobs"], "--epochs"), (["digits"], "--seeds"), (TABLE, "--min-rows")],
)
@pytest.mark.parametrize("value", ["0", "-1", "x"])
def test_counts_below_one_are_refused(
    command: list[str], option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", *command, option, value])

    assert stopped.value.code == 2
    assert option in capsys.readouterr().err


@pytest.mark.parametrize("value", ["-1", "4294967296", "x"])
def test_a_seed_that_is_none_is_refused(value: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", *TABLE, "--seed", value])

    assert stopped.value.code == 2
    assert "--seed" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["blobs"], ["table", "rows.csv", "--target", "label"], ["example", "iris"]])
def test_without_the_extra_one_line_names_what_to_install(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)

    assert main(["train", *command]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("softmaxd: softmaxd train needs packages that serving does not: ")
    assert pip_install("'softmaxd[train]'") in line


def test_the_command_knows_the_defaults_and_data_sets_of_training() -> None:
    assert BLOBS_EPOCHS == EPOCHS
    assert TABLE_MIN_ROWS == LEAST_ROWS
    assert set(EXAMPLES) == {*TARGETS, "subscriptions"}


def test_an_example_is_printed_as_csv(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "example", "iris"]) == 0

    header, *rows = capsys.readouterr().out.splitlines()
    assert header.endswith(",species")
    assert len(rows) == 150
