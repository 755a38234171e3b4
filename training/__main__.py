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
        return _train(options)
    except KeyboardInterrupt:
        print("interrupted; no half-written version is left", file=sys.stderr)
        return INTERRUPTED


def _train(options: argparse.Namespace) -> int:
    with _without_native_logs():
        from training import blobs  # noqa: PLC0415 - TensorFlow takes ten seconds; --help should not
    try:
        folder, manifest = blobs.train(options.models, seeds=options.seeds, epochs=options.epochs)
    except Refused as error:
        print(f"{error}; nothing was written", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.strerror}: {error.filename}; nothing was written", file=sys.stderr)
        return 1
    print(_report(manifest))
    print(f"published {folder}")
    return 0


def _report(manifest: Manifest) -> str:
    """Return the figures of every seed, the chosen one marked, as lines of text."""
    assert manifest.provenance is not None
    lines = ["seed  validation loss  test loss  test accuracy"]
    for run in manifest.provenance.seeds:
        mark = "  chosen" if run.seed == manifest.provenance.seed else ""
        row = f"{run.seed:4}  {run.validation_loss:15.6f}  {run.test_loss:9.6f}  {run.test_accuracy:13.1%}{mark}"
        lines.append(row)
    losses = [run.test_loss for run in manifest.provenance.seeds]
    lines.append(f"test loss from {min(losses):.6f} to {max(losses):.6f}, median {median(losses):.6f}")
    rows, bayes_loss = manifest.metrics["test_rows"], manifest.metrics["bayes_loss"]
    lines.append(f"Bayes-optimal loss of the same {rows:.0f} test rows: {bayes_loss:.1e}")
    return "\n".join(lines)


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
        description="Train the blobs classifier and publish it as the next version of the model.",
        epilog="Example: python -m training --seeds 16 --models models",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--seeds", type=_positive, default=8, help="networks to train, with the seeds 0, 1, 2 …")
    parser.add_argument("--epochs", type=_positive, default=EPOCHS, help="passes over the training rows")
    parser.add_argument("--models", type=Path, default=Path("models"), help="the folder of <name>/<version>/")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
