"""`softmaxd train`: needs the extra `train`, which serving does not."""

import os
import sys
from argparse import BooleanOptionalAction
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from softmaxd.cli.output import say
from softmaxd.cli.parser import SEEDS_BELOW, Commands, Parser, add_number, add_settings, need
from softmaxd.errors import Refused
from softmaxd.os_errors import sentence
from softmaxd.settings import Settings

if TYPE_CHECKING:
    from softmaxd.models.manifest import Manifest
    from softmaxd_training.frames.frame import Frame
    from softmaxd_training.job import Job
    from softmaxd_training.splitting import Split

BLOBS_SEEDS, BLOBS_EPOCHS = 8, 120
ARTICLE_EPOCHS = 30  # of one seed
DIGITS_SEEDS, DIGITS_EPOCHS = 4, 60
TABLE_MIN_ROWS = 10  # of a label
EXAMPLES = ("iris", "wine", "breast_cancer", "subscriptions")

USES = {"train": "training", "calibration": "calibration", "test": "testing"}  # of the parts of rows

NEEDED = ("keras", "matplotlib", "pyarrow", "scipy", "sklearn", "tensorflow", "tf2onnx", "tqdm")


def add(commands: Commands) -> None:
    """Add the command and its recipes."""
    parser = commands.add_parser(
        "train",
        help="train a classifier and publish it as the next version of a model",
        description="Train a classifier, calibrate it, and publish it as the next version of a model.",
        epilog="example: softmaxd train table rows.csv --target label",
    )
    recipes = parser.add_commands("recipe")
    blobs, digits = "four clouds of points, as in the article", "pictures of handwritten digits, 8 × 8 pixels"
    _add_article(_add_seeds(recipes, "blobs", blobs, seeds=BLOBS_SEEDS, epochs=BLOBS_EPOCHS))
    _add_seeds(recipes, "digits", digits, seeds=DIGITS_SEEDS, epochs=DIGITS_EPOCHS)
    _add_table(recipes)
    _add_example(recipes)


def _add_seeds(recipes: Commands, name: str, data: str, *, seeds: int, epochs: int) -> Parser:
    """Add and return a recipe that trains several networks on data of its own, and publishes the best one."""
    parser: Parser = recipes.add_parser(
        name,
        help=f"train a classifier of {data}",
        description=f"Train a classifier of {data}, and publish the best of several.",
        epilog=f"example: softmaxd train {name} --seeds {2 * seeds}",
    )
    parser.set_defaults(run=train_seeds, recipe=name)
    add_number(parser, "--seeds", "Networks to train, with the seeds 0, 1 …", seeds)
    add_number(parser, "--epochs", "Passes over the training rows.", epochs)
    add_settings(parser, ["models_dir"])
    return parser


def _add_article(parser: Parser) -> None:
    """Add an option that stands for two others."""
    text = "Train as the article does: one network for 30 epochs, whatever the other options are."
    parser.add_argument("--article", dest="is_article", action="store_true", help=text)


def _add_table(recipes: Commands) -> None:
    parser = recipes.add_parser(
        "table",
        help="train a classifier on a table of your own",
        description="Train a classifier on the rows of a table, and publish it. The column of --target has the labels, "
        "the other columns are numbers, texts or dates, and some values may be missing. The file is CSV, Parquet, "
        "Feather, Arrow or Excel; CSV may be packed by gzip or zip.",
        epilog="example: softmaxd train example iris > iris.csv && softmaxd train table iris.csv --target species",
    )
    parser.set_defaults(run=train_table)
    parser.add_argument("file", metavar="FILE", type=Path, help="The table: a row of names, then the rows.")
    parser.add_argument("--target", metavar="COLUMN", required=True, help="The column with the labels.")
    parser.add_argument("--name", metavar="NAME", help="The model's name. Default: the file's, without its ending.")
    add_number(parser, "--seed", "Draws the parts of the rows, and the first weights.", 0, least=0, below=SEEDS_BELOW)
    text = "Leave training rows out of the version, which may have some for the playground's map and for typicality."
    parser.add_argument("--no-sample", dest="is_sampled", action="store_false", help=text)
    parser.add_argument("--dry-run", dest="is_dry", action="store_true", help="Print the plan, and train nothing.")
    _add_reading(parser)
    _add_columns(parser)
    add_settings(parser, ["models_dir"])


def _add_reading(parser: Parser) -> None:
    """Add the options that tell how the file is read: the fields of `ReadOptions`."""
    for option, text in {
        "--separator": "Between the cells of a CSV: a comma, a semicolon, | or tab. Default: the one that is found.",
        "--encoding": "Of a CSV, such as latin-1. Default: UTF-8, or UTF-16 with a byte order mark.",
        "--sheet": "Of a workbook of Excel. Default: the first one.",
    }.items():
        parser.add_argument(option, metavar="TEXT", help=text)
    text = "The first row of the file has names, or --no-header: it is a row like the others. Default: as it looks."
    parser.add_argument("--header", action=BooleanOptionalAction, default=None, help=text)


def _add_columns(parser: Parser) -> None:
    """Add the options that tell how the columns are understood: the fields of `ColumnOptions`."""
    for option, metavar, text in (
        ("--missing", "TEXT", "A further text that stands for a missing value, such as unknown or -999."),
        ("--category", "COLUMN", "A column of categories, although it looks like numbers or an identifier."),
        ("--number", "COLUMN", "A column of numbers, although it looks like codes."),
        ("--date", "COLUMN", "A column of dates: the model gets year, month, weekday and the number of the day."),
    ):
        parser.add_argument(option, metavar=metavar, action="append", default=[], help=f"{text} May be repeated.")
    add_number(parser, "--min-rows", "Rows that a label needs.", TABLE_MIN_ROWS, least=2)
    parser.add_argument("--merge-rare", metavar="LABEL", help="Make one label of those with fewer rows.")


def _add_example(recipes: Commands) -> None:
    parser = recipes.add_parser(
        "example",
        help="print a table to try `train table` with",
        description="Print a data set as CSV: iris, wine or breast_cancer, which are well known and have numbers only, "
        "or the made subscriptions. Those have the columns since (a date), age, price, hours, calls, plan, channel, "
        "city (some are rare) and autopay (true or false), gaps in four of them, and the label outcome.",
        epilog="example: softmaxd train example iris > iris.csv",
    )
    parser.set_defaults(run=print_example)
    parser.add_argument("name", choices=EXAMPLES, help="The data set.")


def train_seeds(settings: Settings, *, recipe: str, seeds: int, epochs: int, is_article: bool = False) -> int:
    """Train and publish the classifier of blobs or of digits. Raises `Refused`, or `StartupError` without the extra."""
    need(NEEDED, "softmaxd train", "train")
    with _nothing_half_written():
        with _without_native_logs():
            from softmaxd_training import blobs, digits  # noqa: PLC0415 - TensorFlow takes ten seconds
        train = {blobs.NAME: blobs.train, digits.NAME: digits.train}[recipe]
        seeds, epochs = (1, ARTICLE_EPOCHS) if is_article else (seeds, epochs)
        folder, manifest = train(settings.models_dir, seeds=seeds, epochs=epochs)
    say(*_spread(manifest), *_of_clouds(manifest), _figures(manifest), f"published {folder}")
    return 0


def train_table(settings: Settings, *, file: Path, name: str | None, is_dry: bool, **options: Any) -> int:
    """Train and publish a classifier of a table; `options` are those of reading, of the columns, and of a `Job`.

    Raises `Refused`, or `StartupError` without the extra.
    """
    need(NEEDED, "softmaxd train", "train")
    with _nothing_half_written():
        name = _checked(name or file.stem)
        frame, split, job = _planned(file, name, options)
        say(*_lines_of(frame, split))
        if is_dry:
            return 0
        with _without_native_logs():
            from softmaxd_training.table import telling, train  # noqa: PLC0415 - TensorFlow takes ten seconds
        with telling() as tell:
            folder, manifest = train(frame, split, job, settings.models_dir, tell=tell)
    say("", *manifest.notes, *_candidates(manifest), _figures(manifest), *_sampled(manifest), f"published {folder}")
    return 0


def _planned(file: Path, name: str, options: dict[str, Any]) -> "tuple[Frame, Split, Job]":
    """Return the rows of a file with every column understood, the parts of them, and the job."""
    from softmaxd_training.frames.columns import read_frame  # noqa: PLC0415 - pyarrow takes a second
    from softmaxd_training.frames.decisions import ColumnOptions  # noqa: PLC0415
    from softmaxd_training.frames.options import ReadOptions  # noqa: PLC0415
    from softmaxd_training.frames.problems import naming as naming_file  # noqa: PLC0415
    from softmaxd_training.frames.varying import without_constant  # noqa: PLC0415
    from softmaxd_training.job import Job  # noqa: PLC0415
    from softmaxd_training.splitting import grouped, split  # noqa: PLC0415

    seed, is_sampled = options.pop("seed"), options.pop("is_sampled")
    reading = ReadOptions(**{each.name: options.pop(each.name) for each in fields(ReadOptions)})
    chosen: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in options.items()}
    columns = ColumnOptions(**chosen)
    with naming_file(file):
        frame = read_frame(file, reading, columns)
        parts = grouped(frame, split(frame.classes, seed))
        frame = without_constant(frame, parts.train)
    return frame, parts, Job(file.name, name, columns, reading, seed=seed, is_sampled=is_sampled)


def _lines_of(frame: "Frame", split: "Split") -> Iterator[str]:
    """Yield the plan: the use of each column, and of the rows."""
    from softmaxd_training.frames.plan import plan_lines  # noqa: PLC0415

    yield from plan_lines(frame)
    yield "rows: " + ", ".join(f"{count:,} for {USES[part]}" for part, count in split.counts().items())


def print_example(_settings: Settings, *, name: str) -> int:
    """Print a data set as CSV. Raises `StartupError` without the extra."""
    need(["sklearn"], "softmaxd train", "train")
    from softmaxd_training.examples import write_example  # noqa: PLC0415 - scikit-learn takes a second

    write_example(name, sys.stdout)
    return 0


def _checked(name: str) -> str:
    """Return a model's name if it is valid."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - as the manifest, only here

    from softmaxd.models.manifest import Name  # noqa: PLC0415

    try:
        return TypeAdapter[str](Name).validate_python(name)
    except ValidationError as error:
        raise Refused(
            f"a model cannot be called {name!r}: a name has 1 to 64 letters, digits, dots, underscores and hyphens, "
            "and begins with a letter or a digit; give another one with --name"
        ) from error


@contextmanager
def _nothing_half_written() -> Iterator[None]:
    """Say at the end of each failure that the models folder is as it was."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt("interrupted; no half-written version is left") from error
    except Refused as error:
        *lines, last = str(error).splitlines()
        if lines:
            say(*(f"softmaxd: {line}" for line in lines), file=sys.stderr)
        raise Refused(f"{last}; nothing was written") from error
    except OSError as error:
        raise Refused(f"{sentence(error)}; nothing was written") from error


@contextmanager
def _without_native_logs() -> Iterator[None]:
    """Drop the lines that TensorFlow's C++ parts print at import, which no setting of theirs turns off."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _spread(manifest: "Manifest") -> list[str]:
    """Return a line with the figures of every seed, the chosen one marked, and one with their spread."""
    assert manifest.provenance is not None
    lines = ["seed  validation loss  test loss  test accuracy  (before the temperature)"]
    for run in manifest.provenance.seeds:
        mark = "  chosen" if run.seed == manifest.provenance.seed else ""
        row = f"{run.seed:4}  {run.validation_loss:15.6f}  {run.test_loss:9.6f}  {run.test_accuracy:13.1%}{mark}"
        lines.append(row)
    losses = [run.test_loss for run in manifest.provenance.seeds]
    lines.append(f"test loss from {min(losses):.6f} to {max(losses):.6f}, median {median(losses):.6f}")
    return lines


def _of_clouds(manifest: "Manifest") -> list[str]:
    """Return lines with the loss that no model could beat, and with that on fresh rows, if they are known."""
    if "bayes_loss" not in manifest.metrics:
        return []
    rows, bayes_loss = manifest.metrics["test_rows"], manifest.metrics["bayes_loss"]
    count, loss, error = (manifest.metrics[f"fresh_{name}"] for name in ("rows", "loss", "error"))
    return [
        f"Bayes-optimal loss of the same {rows:.0f} test rows: {bayes_loss:.1e}",
        f"on {count:,.0f} fresh rows, calibrated: loss {loss:.6f}, error rate {error:.4%}",
    ]


def _candidates(manifest: "Manifest") -> Iterator[str]:
    """Yield a line with the out-of-fold loss of each candidate, the chosen one marked."""
    assert manifest.provenance is not None
    losses = manifest.provenance.candidates
    chosen = min(losses, key=lambda name: losses[name])
    width = max(map(len, losses))
    for name, loss in losses.items():
        yield f"{name:<{width}}  out-of-fold loss {loss:.4f}{'  chosen' if name == chosen else ''}"


def _sampled(manifest: "Manifest") -> Iterator[str]:
    """Yield lines about the training rows in the version, which whoever may read it can see."""
    if manifest.sample is not None:
        yield f"{len(manifest.sample.rows)} training rows are in the manifest, for the map; --no-sample leaves them out"
    if points := manifest.metrics["typicality_points"]:
        yield f"{points:,.0f} training rows are in the graph, for the typicality; --no-sample leaves them out"


def _figures(manifest: "Manifest") -> str:
    """Return accuracy and loss of the published model, in one line."""
    assert manifest.calibration is not None
    metrics = manifest.metrics
    return (
        f"{manifest.name} version {manifest.version}: accuracy {metrics['test_accuracy']:.1%}"
        f" on {metrics['test_rows']:.0f} test rows, loss {metrics['test_loss']:.6f}"
        f" ({metrics['test_loss_before']:.6f} before the temperature {manifest.calibration.temperature:.4f})"
    )
