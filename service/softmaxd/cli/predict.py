"""`softmaxd predict`: answers to the rows of a file, without a server."""

import sys
import time
from argparse import ArgumentTypeError
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softmaxd.cli.output import say
from softmaxd.cli.parser import Commands, add_settings, names
from softmaxd.errors import Refused
from softmaxd.os_errors import naming
from softmaxd.settings import Settings

if TYPE_CHECKING:
    from softmaxd.scoring.score import Choice

PAUSE = 0.2  # seconds between two lines of progress


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "predict",
        help="answer each row of a file, without a server",
        description="Write an answer to each row of a CSV or Parquet file, as POST /predict gives it. The header names "
        "the features, in any order. Rows are read as the answers are written, so the file may have any size.",
        epilog="example: softmaxd predict iris rows.csv --out answers.csv",
    )
    parser.set_defaults(run=predict)
    parser.add_argument("name", metavar="NAME", help="The model, like blobs, or one version of it, like blobs/1.")
    parser.add_argument("file", metavar="FILE", type=Path, help="The rows: CSV with a header, or Parquet.")
    parser.add_argument("--out", metavar="FILE", type=Path, help="The CSV file to write. Default: standard output.")
    parser.add_argument(
        "--include",
        metavar="A,B",
        type=names,
        action="extend",
        default=[],
        help="More columns, as in POST /predict: logits, log_probabilities, prediction_sets, typicality.",
    )
    parser.add_argument(
        "--coverage", metavar="SHARE", type=_share, help="Of prediction_sets. Default: as in POST /predict."
    )
    parser.add_argument("--coverage-by", metavar="KIND", help="Of prediction_sets: marginal (the default) or class.")
    parser.add_argument("--keep", action="store_true", help="Pass the other columns of the file through.")
    text = "A further text that stands for a missing value, beside those of the training. May be repeated."
    parser.add_argument("--missing", metavar="TEXT", action="append", default=[], help=text)
    add_settings(parser, ["models_dir", "device", "threads"])


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0
    if not 0 < share < 1:
        raise ArgumentTypeError(f"expected a number between 0 and 1, not {text!r}")
    return share


def predict(settings: Settings, *, name: str, file: Path, out: Path | None, **choice: Any) -> int:
    """Write an answer to each row; `choice` has the fields of `Choice`.

    Raises `Refused`, `ModelError` or `StartupError`.
    """
    from softmaxd.scoring.score import Choice  # noqa: PLC0415 - it loads ONNX Runtime

    if out is not None and out.suffix == ".parquet":
        raise Refused("--out is a CSV file: choose a name that ends with .csv")
    try:
        _score(settings, name, file, out, Choice(**choice))
    except Refused as error:
        raise Refused(f"{file}: {error}{'; nothing was written' if out else ''}") from error
    return 0


def _score(settings: Settings, name: str, file: Path, out: Path | None, choice: "Choice") -> None:
    from softmaxd.scoring.score import find_model, new_file, not_guaranteed, score  # noqa: PLC0415

    model = find_model(settings, name)
    progress = Progress(file.stat().st_size)
    opened = nullcontext(sys.stdout.buffer) if out is None else new_file(out)
    with naming(out or "standard output"), opened as output:
        rows, unknown = score(file, model, choice, output, progress.tell)
        output.flush()
    progress.end(rows)
    for feature, count in unknown.items():
        say(
            f"unknown: {feature} has a text that the model does not know in {count:,} of {rows:,} rows", file=sys.stderr
        )
    if labels := not_guaranteed(model.manifest, choice):
        say(f"not_guaranteed: {', '.join(labels)}", file=sys.stderr)


class Progress:
    """Tells on standard error how far the work is: on a terminal all the time, elsewhere once it is done."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._is_terminal = sys.stderr.isatty()
        self._start = time.perf_counter()
        self._last = -PAUSE

    def tell(self, rows: int, place: int) -> None:
        """Tell how many rows are done, and how many bytes of the file."""
        now = time.perf_counter() - self._start
        if self._is_terminal and now >= self._last + PAUSE:
            self._last = now
            self._write(f"\r{place / max(self._size, 1):4.0%}  {self._speed(rows, now)}")

    def end(self, rows: int) -> None:
        """Tell how many rows were done."""
        speed = self._speed(rows, time.perf_counter() - self._start)
        self._write(f"\r100%  {speed}\n" if self._is_terminal else f"{speed}\n")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()

    def _speed(self, rows: int, seconds: float) -> str:
        return f"{rows:,} row{'' if rows == 1 else 's'}, {rows / seconds:,.0f} rows/s"
