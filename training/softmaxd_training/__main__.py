"""The `python -m training` command."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from pydantic import TypeAdapter, ValidationError

from softmaxd.models.manifest import Manifest, Name
from softmaxd.models.publishing import Refused
from softmaxd_training.card import EPOCHS

EXAMPLES = ("iris", "wine", "breast_cancer")
MAX_SEED = 2**32  # of NumPy's generator
INTERRUPTED = 130  # as a shell reports it: 128 + SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and publish; returns the exit code: 0, 1 when nothing is good enough to publish, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except KeyboardInterrupt:
        print("interrupted; no half-written version is left", file=sys.stderr)
        return INTERRUPTED
    except Refused as error:
        print(f"{error}; nothing was written", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.strerror}: {error.filename}; nothing was written", file=sys.stderr)
        return 1
    return 0


def _blobs(options: argparse.Namespace) -> None:
    with _without_native_logs():
        from softmaxd_training import blobs  # noqa: PLC0415 - TensorFlow takes ten seconds; --help should not
    folder, manifest = blobs.train(options.models, seeds=options.seeds, epochs=options.epochs)
    print(_spread(manifest))
    print(_figures(manifest))
    print(f"published {folder}")


def _table(options: argparse.Namespace) -> None:
    from softmaxd_training.tablefile import read_table, split  # noqa: PLC0415 - scikit-learn takes a second

    name = _checked(options.name or options.file.stem)
    table = read_table(options.file, options.target)
    parts = split(table, options.seed)
    with _without_native_logs():
        from softmaxd_training.table import Job, train  # noqa: PLC0415 - as above
    job = Job(options.file.name, options.target, name, seed=options.seed, epochs=options.epochs)
    folder, manifest = train(table, parts, job, options.models)
    print(_figures(manifest))
    print(f"published {folder}")


def _checked(name: str) -> str:
    try:
        return TypeAdapter[str](Name).validate_python(name)
    except ValidationError as error:
        raise Refused(
            f"a model cannot be called {name!r}: a name has 1 to 64 letters, digits, dots, underscores and hyphens,"
            " and begins with a letter or a digit; give another one with --name"
        ) from error


def _example(options: argparse.Namespace) -> None:
    from softmaxd_training.examples import write_example  # noqa: PLC0415 - as above

    try:
        write_example(options.name, sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or it is told again when Python ends


def _spread(manifest: Manifest) -> str:
    """Return the figures of every seed, the chosen one marked, as lines of text."""
    assert manifest.provenance is not None
    lines = ["seed  validation loss  test loss  test accuracy  (before the temperature)"]
    for run in manifest.provenance.seeds:
        mark = "  chosen" if run.seed == manifest.provenance.seed else ""
        row = f"{run.seed:4}  {run.validation_loss:15.6f}  {run.test_loss:9.6f}  {run.test_accuracy:13.1%}{mark}"
        lines.append(row)
    losses = [run.test_loss for run in manifest.provenance.seeds]
    lines.append(f"test loss from {min(losses):.6f} to {max(losses):.6f}, median {median(losses):.6f}")
    rows, bayes_loss = manifest.metrics["test_rows"], manifest.metrics["bayes_loss"]
    lines.append(f"Bayes-optimal loss of the same {rows:.0f} test rows: {bayes_loss:.1e}")
    return "\n".join(lines)


def _figures(manifest: Manifest) -> str:
    """Return how good the published model is, in one line."""
    assert manifest.calibration is not None
    metrics = manifest.metrics
    return (
        f"{manifest.name} version {manifest.version}: accuracy {metrics['test_accuracy']:.1%}"
        f" on {metrics['test_rows']:.0f} test rows, loss {metrics['test_loss']:.6f}"
        f" ({metrics['test_loss_before']:.6f} before the temperature {manifest.calibration.temperature:.4f})"
    )


@contextmanager
def _without_native_logs() -> Iterator[None]:
    """Drop what TensorFlow's C++ parts print at import, which no setting of theirs turns off."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Train a classifier and publish it as the next version of a model.",
        epilog="example: python -m training blobs --models models",
    )
    commands = parser.add_subparsers(metavar="command", required=True)
    _add_blobs(commands)
    _add_table(commands)
    _add_example(commands)
    return parser


def _add_blobs(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    blobs = commands.add_parser(
        "blobs",
        help="train the article's classifier of four clouds of points",
        description="Train the article's classifier of four clouds of points, and publish the best of several.",
        epilog="example: python -m training blobs --seeds 16",
        allow_abbrev=False,
    )
    blobs.add_argument(
        "--seeds", type=_positive, default=8, help="networks to train, with the seeds 0, 1 … (default: 8)"
    )
    blobs.add_argument(
        "--epochs", type=_positive, default=EPOCHS, help=f"passes over the training rows (default: {EPOCHS})"
    )
    _add_models(blobs)
    blobs.set_defaults(command=_blobs)


def _add_table(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    table = commands.add_parser(
        "table",
        help="train a classifier of the rows of a table of your own",
        description="Train a classifier of the rows of a table, and publish it: the column TARGET has the labels, all"
        " others are numbers. The file is CSV with a header, or Parquet.",
        epilog="example: python -m training example iris > iris.csv &&"
        " python -m training table iris.csv --target species",
        allow_abbrev=False,
    )
    table.add_argument("file", metavar="FILE", type=Path, help="the table")
    table.add_argument("--target", metavar="COLUMN", required=True, help="the column with the labels")
    table.add_argument("--name", metavar="NAME", help="the model's name (default: the file's, without its ending)")
    table.add_argument("--seed", type=_not_negative, default=0, help="of the split and of the network (default: 0)")
    table.add_argument("--epochs", type=_positive, default=1000, help="at most as many (default: 1000)")
    _add_models(table)
    table.set_defaults(command=_table)


def _add_example(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    example = commands.add_parser(
        "example",
        help="print a table to try that with",
        description="Print a well-known data set as CSV.",
        epilog="example: python -m training example iris > iris.csv",
        allow_abbrev=False,
    )
    example.add_argument("name", choices=EXAMPLES, help="the data set")
    example.set_defaults(command=_example)


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models", type=Path, default=Path("models"), help="the folder of <name>/<version>/ (default: models)"
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _not_negative(text: str) -> int:
    number = int(text)
    if not 0 <= number < MAX_SEED:
        raise argparse.ArgumentTypeError(f"must be 0 to {MAX_SEED - 1}")
    return number


if __name__ == "__main__":
    sys.exit(main())
