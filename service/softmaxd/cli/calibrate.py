"""`softmaxd models calibrate`: needs the extra `add`, which serving does not."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softmaxd.cli.output import say
from softmaxd.cli.parser import SEEDS_BELOW, Commands, Parser, add_number, add_settings, need
from softmaxd.errors import Refused
from softmaxd.settings import Settings

if TYPE_CHECKING:
    from softmaxd.models.manifest import Manifest
    from softmaxd.models.outputs import Features
    from softmaxd_training.recalibration import Job


def add(actions: Commands) -> None:
    """Add the action."""
    parser = actions.add_parser(
        "calibrate",
        help="calibrate a model on rows that it has not seen, and publish the next version",
        description="Calibrate the version of a model that answers on rows that it was not trained on, and publish "
        "the next version, which has prediction sets and typicality. The file is CSV with a header, or Parquet.",
        epilog="example: softmaxd models calibrate flowers rows.csv --target species",
    )
    parser.set_defaults(run=calibrate_model)
    parser.add_argument("name", metavar="NAME", help="The name of the model.")
    parser.add_argument("file", metavar="FILE", type=Path, help="The table: a column for each feature, and the target.")
    parser.add_argument("--target", metavar="COLUMN", required=True, help="The column with the labels.")
    add_typicality(parser)
    add_number(parser, "--seed", "Draws the rows that calibrate and those that test.", 0, least=0, below=SEEDS_BELOW)
    add_settings(parser, ["models_dir"])


def add_typicality(parser: Parser) -> None:
    """Add the options that say which rows are typical, and of which tensor."""
    text = "A table of the rows that the model was trained on, for the typicality. Default: a third of the other table."
    parser.add_argument("--training", metavar="FILE", type=Path, help=text)
    text = (
        "The tensor of the graph whose rows have the typicality. Default: the features, or for those of a table the "
        "first tensor of numbers that all inputs flow into."
    )
    parser.add_argument("--typicality-of", metavar="TENSOR", help=text)


def calibrate_model(settings: Settings, *, name: str, file: Path, target: str, **options: Any) -> int:
    """Publish the next version of a model, calibrated; `options` are the other fields of `Job`.

    Raises `Refused`, or `StartupError` without the extra.
    """
    need(["onnx"], "softmaxd models calibrate", "add")
    from softmaxd.models.loading import read_manifest  # noqa: PLC0415 - it loads ONNX Runtime
    from softmaxd.models.manifest import MODEL_FILE  # noqa: PLC0415
    from softmaxd_training.recalibration import Job  # noqa: PLC0415

    folder, pinned = _answering(settings.models_dir, name)
    job = Job(file, target, **options)
    manifest = read_manifest(folder, settings.models_dir)
    content = (folder / MODEL_FILE).read_bytes()
    command = shlex.join(["softmaxd", "models", "calibrate", name, *job.words, "--seed", str(job.seed)])
    origin = f"calibrated from version {manifest.version} by {command}"
    published, lines = publish_calibrated(content, manifest, job, origin, settings.models_dir)
    say(*lines[len(manifest.notes) :])
    if pinned:
        say(f"version {folder.name} is pinned and goes on answering: softmaxd models pin {name} {published.name}")
    return 0


def publish_calibrated(
    content: bytes, manifest: "Manifest", job: "Job", origin: str, models_dir: Path, *, scores: str | None = None
) -> tuple[Path, list[str]]:
    """Publish the next version of a model, calibrated; return its folder, and its notes and figures as lines.

    `scores` is the output that the user calls the logits. Raises `Refused` if no temperature can be found for it: then
    nothing shows that its softmax is the probabilities.
    """
    from softmaxd_training.recalibration import publish, recalibrate, summary  # noqa: PLC0415

    calibrated = recalibrate(content, manifest, job, origin)
    if scores is not None and calibrated.temperature == 1:
        raise Refused(
            f"--logits {scores}: the calibration rows are all right, or no better than chance, so they do not show "
            "which probabilities its scores mean: give more rows"
        )
    published = publish(calibrated, job, models_dir)
    return published, [*calibrated.manifest.notes, *summary(calibrated), f"published {published}"]


def read_features(manifest: "Manifest", files: Sequence[Path | None], target: str) -> "Features":
    """Return the features of all rows of these tables, with all digits. Raises `Refused` if they are not the model's.

    Numbers that the model's own datatype does not have are refused, too.
    """
    import numpy as np  # noqa: PLC0415 - only this action needs it

    from softmaxd.adding.given import with_all_digits  # noqa: PLC0415
    from softmaxd_training.matching import read_rows  # noqa: PLC0415

    given = [file for file in files if file is not None]
    for file in given:
        read_rows(file, target, manifest)
    exact = with_all_digits(manifest)
    return np.concatenate([read_rows(file, target, exact).rows.features for file in given])


def _answering(models_dir: Path, name: str) -> tuple[Path, bool]:
    """Return the folder of the version that answers for a model's name, and whether it is pinned.

    Raises `Refused` if there is none, or `StartupError`.
    """
    from softmaxd.models.folders import look_first  # noqa: PLC0415 - it loads pydantic and NumPy

    found = look_first(models_dir)
    versions = found.versions_of(name)
    if not versions:
        raise Refused("; ".join([f"{models_dir} has no model {name}", *found.problems()]))
    return found.folders[name, versions[0]][0], found.pins.get(name) == versions[0]
