"""The `python -m training` command."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from service.model import Manifest
from service.publishing import Refused
from training.card import EPOCHS

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
        from training import blobs  # noqa: PLC0415 - TensorFlow takes ten seconds; --help should not
    folder, manifest = blobs.train(options.models, seeds=options.seeds, epochs=options.epochs)
    print(_spread(manifest))
    print(_figures(manifest))
    print(f"published {folder}")


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
    _add_blobs(parser.add_subparsers(metavar="command", required=True))
    return parser


def _add_blobs(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    blobs = commands.add_parser(
        "blobs",
        help="train the article's classifier of four clouds of points",
        description="Train the article's classifier of four clouds of points, and publish the best of several.",
        epilog="example: python -m training blobs --seeds 16",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    blobs.add_argument("--seeds", type=_positive, default=8, help="networks to train, with the seeds 0, 1, 2 …")
    blobs.add_argument("--epochs", type=_positive, default=EPOCHS, help="passes over the training rows")
    blobs.add_argument("--models", type=Path, default=Path("models"), help="the folder of <name>/<version>/")
    blobs.set_defaults(command=_blobs)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
