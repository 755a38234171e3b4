import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from softmaxd.cli import predict as module
from softmaxd.cli.main import main
from softmaxd.cli.predict import Progress
from tests.support.paths import MODELS
from tests.support.processes import forget, start
from tests.support.tables import publish_mixed
from tests.support.waiting import until

HEADER = "predicted_label,probabilities.blob-0,probabilities.blob-1,probabilities.blob-2,probabilities.blob-3"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.csv"
    file.write_text("x1,x2\n1,1\n10.5,4.6\n")
    return file


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "softmaxd", "predict", *map(str, arguments), "--models-dir", str(MODELS)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_answers_go_to_standard_output_and_the_count_beside_them(rows: Path) -> None:
    ended = run("blobs", rows)

    header, first, second = ended.stdout.splitlines()
    assert (ended.returncode, header) == (0, HEADER)
    assert [line.partition(",")[0] for line in (first, second)] == ["blob-1", "blob-3"]
    assert ended.stderr.startswith("2 rows, ")
    assert len(ended.stderr.splitlines()) == 1


def test_labels_that_are_not_guaranteed_are_told_once(rows: Path) -> None:
    ended = run(
        "blobs", rows, "--include", "typicality,prediction_sets", "--coverage-by", "class", "--coverage", "0.999"
    )

    assert ended.stderr.splitlines()[1:] == ["not_guaranteed: blob-0, blob-1, blob-2, blob-3"]


def test_unknown_texts_are_told_by_feature(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish_mixed(tmp_path / "models")
    file = tmp_path / "people.csv"
    file.write_text("age,job,city,income,member,children\n41,clerk,Paris,1,true,2\n,,Rome,1,true,2\n")

    code = main(
        ["predict", "people", str(file), "--models-dir", str(tmp_path / "models"), "--out", str(tmp_path / "o")]
    )

    assert code == 0
    assert capsys.readouterr().err.splitlines()[1:] == [
        "unknown: city has a text that the model does not know in 1 of 2 rows"
    ]


def test_rows_may_come_through_a_pipe(rows: Path) -> None:
    command = f'cat "{rows}" | "{sys.executable}" -m softmaxd predict blobs /dev/stdin --models-dir "{MODELS}"'

    piped = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)  # noqa: S602 - for the pipe

    assert piped.stdout == run("blobs", rows).stdout


def test_answers_go_to_a_file(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.csv"

    include = ["--include", "prediction_sets", "--include", "typicality"]
    options = [*include, "--coverage", "0.9999", "--keep", "--models-dir", str(MODELS)]
    code = main(["predict", "blobs/1", str(rows), "--out", str(out), *options])

    header, *lines = out.read_text().splitlines()
    assert (code, header) == (0, f"{HEADER},prediction_sets,typicality")
    assert ',"[""blob-1"",""blob-2"",""blob-0"",""blob-3""]",' in lines[0]  # most probable first
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "arguments", "reason"),
    [
        ("x1,x2\n1,one\n", [], "{file}: line 2, column x2: Input should be a valid number"),
        (
            "x1,x2\n1,one\n",
            ["--out", "{folder}/out.csv"],
            "{file}: line 2, column x2: Input should be a valid number; nothing was written",
        ),
        ("x1,x2\n", ["--out", "{folder}/out.parquet"], "--out is a CSV file: choose a name that ends with .csv"),
        ("x1,x2\n", ["--out", "{folder}/none/out.csv"], "No such file or directory: {folder}/none/out.csv"),
        (None, [], "No such file or directory: {file}"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, arguments: list[str], reason: str
) -> None:
    file = tmp_path / "rows.csv"
    if text is not None:
        file.write_text(text)
    places = {"file": file, "folder": tmp_path}

    code = main(
        ["predict", "blobs", str(file), *(each.format(**places) for each in arguments), "--models-dir", str(MODELS)]
    )

    (line,) = capsys.readouterr().err.splitlines()
    assert code == 1
    assert line.startswith(f"softmaxd: {reason.format(**places)}")
    assert [path for path in tmp_path.iterdir() if path != file] == []


def test_one_row_is_a_row(rows: Path) -> None:
    rows.write_text("x1,x2\n1,1\n")

    assert run("blobs", rows).stderr.startswith("1 row, ")


@pytest.mark.parametrize("to", ["> /dev/full", "--out /dev/full"])
@pytest.mark.parametrize("count", [1, 10_000])
def test_a_full_disk_is_told_with_the_file_that_is_written(rows: Path, to: str, count: int) -> None:
    rows.write_text("x1,x2\n" + "1,1\n" * count)
    command = f'"{sys.executable}" -m softmaxd predict blobs "{rows}" --models-dir "{MODELS}" {to}'

    ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602 - for the file

    name = "/dev/full" if to.startswith("--") else "standard output"
    assert (ended.returncode, ended.stderr) == (1, f"softmaxd: No space left on device: {name}\n")


def test_sigterm_leaves_no_unfinished_file(tmp_path: Path) -> None:
    pipe, out = tmp_path / "rows", tmp_path / "out.csv"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "softmaxd", "predict", "blobs", pipe, "--out", out, "--models-dir", MODELS]
    process = start([*map(str, command)], cwd=tmp_path)
    with pipe.open("wb") as rows:  # once the command reads it
        rows.write(b"x1,x2\n")
        rows.flush()
        until(lambda: len([*tmp_path.iterdir()]) == 2)
        process.terminate()
        _, error = process.communicate(timeout=60)
    forget(process)

    assert (process.returncode, error) == (128 + signal.SIGTERM, "")
    assert [*tmp_path.iterdir()] == [pipe]


@pytest.mark.parametrize("share", ["0", "1", "half", "nan"])
def test_a_coverage_is_between_0_and_1(capsys: pytest.CaptureFixture[str], share: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["predict", "blobs", "rows.csv", "--coverage", share])

    assert f"expected a number between 0 and 1, not '{share}'" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("x1,x2\n" + "1,1\n" * 100_000)
    command = f'"{sys.executable}" -m softmaxd predict blobs "{file}" --models-dir "{MODELS}" | head -n 1'

    ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602 - for the pipe

    assert (ended.stdout, ended.stderr) == (f"{HEADER}\n", "")


def test_progress_is_told_on_a_terminal_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(module, "PAUSE", 1e6)
    progress = Progress(200)

    progress.tell(1000, 50)
    progress.tell(2000, 100)
    progress.end(4000)

    _, first, last = capsys.readouterr().err.split("\r")
    assert first.startswith(" 25%  1,000 rows, ")
    assert last.startswith("100%  4,000 rows, ")


def test_further_words_stand_for_a_missing_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish_mixed(tmp_path / "models")
    row = "clerk,120.5,true,2,Rome"
    answers = []
    for cell, words in (("", []), ("unknown", ["--missing", "unknown"]), ("-1", ["--missing", "x", "--missing", "-1"])):
        (tmp_path / "rows.csv").write_text(f"age,job,income,member,children,city\n{cell},{row}\n41,{row}\n")
        options = [*words, "--models-dir", str(tmp_path / "models")]
        assert main(["predict", "people", str(tmp_path / "rows.csv"), *options]) == 0
        answers.append(capsys.readouterr().out)

    assert answers[0] == answers[1] == answers[2]
