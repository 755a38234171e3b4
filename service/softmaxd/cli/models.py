"""`softmaxd models`: list, check and add models; `calibrate` and `versions` have the other actions."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softmaxd.cli import calibrate, delivery, routing
from softmaxd.cli import versions as version_actions
from softmaxd.cli.output import say
from softmaxd.cli.parser import Commands, Parser, add_settings, feature_names, names, need
from softmaxd.errors import ModelError, Refused
from softmaxd.settings import Settings

if TYPE_CHECKING:
    from softmaxd.adding.add import Prepared
    from softmaxd.models.features import Feature
    from softmaxd.models.folders import Found

NAMES_SHOWN = 2  # of the features and labels of a model in a table


def add(commands: Commands) -> None:
    """Add the command and its actions."""
    parser = commands.add_parser(
        "models",
        help="list, check, add, calibrate, pin, route, copy, remove, push or pull models",
        description="List and check the models of a folder, add models of your own and calibrate them, pin, route, "
        "copy or remove versions, and bring them to other folders through a store.",
        epilog="example: softmaxd models add iris.onnx --name iris",
    )
    actions = parser.add_commands("action")
    _add_add(actions)
    calibrate.add(actions)
    _add_list(actions)
    _add_check(actions)
    version_actions.add(actions)
    routing.add(actions)
    delivery.add(actions)


def _add_add(actions: Commands) -> None:
    parser = actions.add_parser(
        "add",
        help="publish a classifier as the next version of a model",
        description="Publish a classifier as the next version of a model, and print the findings: from an ONNX file, "
        "or from a library's own file, which is converted to ONNX and compared with the library.",
        epilog="example: softmaxd models add iris.onnx --name iris --labels setosa,versicolor,virginica",
    )
    parser.set_defaults(run=add_model)
    _add_file(parser)
    _add_tables(parser)
    add_settings(parser, ["models_dir"])


def _add_file(parser: Parser) -> None:
    """Add the options of a model's file."""
    text = (
        "An ONNX file; a file of Keras, XGBoost, LightGBM or skops; a SavedModel folder; or a pickle of scikit-learn. "
        "Opening a SavedModel runs its graph, which can read and write files: open only those of people you trust."
    )
    parser.add_argument("file", metavar="FILE", type=Path, help=text)
    parser.add_argument("--name", metavar="NAME", required=True, help="The name of the model in URLs.")
    for option, kind, more, default in (
        ("labels", names, "", "the model's own, else class-0, class-1 and so on"),
        (
            "features",
            feature_names,
            "; or their number",
            "those of the inputs if there are several, else x0, x1 and so on",
        ),
    ):
        text = f"The names of the {option} in order, with commas between them; or @FILE, one a line{more}."
        parser.add_argument(f"--{option}", metavar="A,B,C", type=kind, help=f"{text} Default: {default}.")
    parser.add_argument(
        "--pack", action="store_true", help="Take weights that are in other files of the same folder (external data)."
    )
    text = (
        "Open FILE even if it is a pickle, of joblib or plain. A pickle runs any code that its author put into it, "
        "with your rights: it can read, change, delete and send whatever you can. Open only those of people you trust."
    )
    parser.add_argument("--trust-pickle", action="store_true", help=text)
    text = "The output of the file that is the logits, where the file does not show that it is."
    parser.add_argument("--logits", metavar="OUTPUT", help=text)
    text = "Features that may be missing (null), where the file does not show that they may: NaN, or an empty text."
    parser.add_argument("--nullable", metavar="A,B,C", type=names, default=(), help=text)


def _add_tables(parser: Parser) -> None:
    """Add the options of tables with labels."""
    text = "A table of rows that the model was not trained on, to calibrate it with, as models calibrate does."
    parser.add_argument("--calibration", metavar="FILE", type=Path, help=text)
    text = "A table of rows with the labels to expect: print the accuracy and the disagreements before publishing."
    parser.add_argument("--like", metavar="FILE", type=Path, help=text)
    parser.add_argument("--target", metavar="COLUMN", help="The column of these tables with the labels.")
    calibrate.add_typicality(parser)


def _add_list(actions: Commands) -> None:
    parser = actions.add_parser(
        "list",
        help="list every version of every model",
        description="List every version of every model, as its manifest describes it.",
        epilog="example: softmaxd models list --models-dir models",
    )
    parser.set_defaults(run=list_models)
    add_settings(parser, ["models_dir"])


def _add_check(actions: Commands) -> None:
    parser = actions.add_parser(
        "check",
        help="load every version as the service does; exit with 1 when one is rejected",
        description="Try out every version of every model as the service does, and print the reason of each rejection.",
        epilog="example: softmaxd models check --models-dir models",
    )
    parser.set_defaults(run=check_models)
    add_settings(parser, ["models_dir"])


def add_model(
    settings: Settings,
    *,
    file: Path,
    like: Path | None,
    calibration: Path | None,
    target: str | None,
    **options: Any,
) -> int:
    """Publish a file as the next version of a model. Raises `Refused`, or `StartupError` without the extra.

    Before, compare its labels with those in the column `target` of the table `like`, if there is one. The other
    `options` are those of a calibration and of `softmaxd.converting.prepare.opened`.
    """
    need(["onnx"], "softmaxd models add", "add")
    from softmaxd.adding import add as adding  # noqa: PLC0415 - only this action needs it
    from softmaxd.converting.prepare import opened  # noqa: PLC0415

    typicality = {name: options.pop(name) for name in ("training", "typicality_of")}
    if (target is None) == bool(like or calibration) or (any(typicality.values()) and not calibration):
        raise Refused(
            "--target COLUMN goes with --calibration FILE or --like FILE, and --training and --typicality-of with the "
            "former"
        )
    compared: Sequence[str] = ()
    with opened(file, trust_pickle=options.pop("trust_pickle"), pack=options.pop("pack")) as prepare:
        prepared = prepare(**options)
        if target is not None:
            tables = dict.fromkeys((calibration, typicality["training"], like))
            prepared = prepare(given=calibrate.read_features(prepared.manifest, [*tables], target), **options)
    if like is not None and target is not None:
        prepared, compared = adding.compare_with(prepared, like, target)
        say(*compared)
    if calibration is None or target is None:
        folder, manifest = adding.publish(prepared, settings.models_dir)
        lines = [*manifest.notes, f"published {folder}"]
    else:
        command = ["softmaxd", "models", "add", file.name, "--name", prepared.manifest.name, "--calibration"]
        scores = options["logits"]
        lines = _calibrated(prepared, settings.models_dir, command, calibration, target, scores, **typicality)
    say(*(line for line in lines if line not in compared))
    return 0


def _calibrated(
    prepared: "Prepared",
    models_dir: Path,
    command: Sequence[str],
    calibration: Path,
    target: str,
    scores: str | None,
    **typicality: Any,
) -> list[str]:
    """Publish a model that was calibrated before; return its notes and figures as lines."""
    from softmaxd_training.recalibration import Job  # noqa: PLC0415 - only this action needs it

    job = Job(calibration, target, **typicality)
    origin = f"calibrated by {shlex.join([*command, *job.words])}"
    published = calibrate.publish_calibrated(
        prepared.content, prepared.manifest, job, origin, models_dir, scores=scores
    )
    return published[1]


def list_models(settings: Settings) -> int:
    """Print a table of all versions; return 1 if a folder cannot be read. Raises `StartupError`."""
    rows = [("model", "version", "features", "labels", "accuracy", "bytes")]
    versions, code = _versions(settings)
    rows += [(name, version, *_describe(folder, settings.models_dir)) for name, version, folder in versions]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    say(*("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows))
    return code


def _describe(folder: Path, models_dir: Path) -> tuple[str, str, str, str]:
    """Return features, labels, accuracy and size of a version, or the reason why it is rejected."""
    from softmaxd.models.loading import read_manifest  # noqa: PLC0415 - it loads ONNX Runtime
    from softmaxd.models.manifest import MODEL_FILE  # noqa: PLC0415

    try:
        manifest = read_manifest(folder, models_dir)
    except ModelError as error:
        return "–", "–", "–", f"rejected: {error}"
    accuracy = f"{manifest.metrics['test_accuracy']:.1%}" if "test_accuracy" in manifest.metrics else "–"
    features = _shorten([_named(feature) for feature in manifest.features])
    return features, _shorten(manifest.labels), accuracy, f"{(folder / MODEL_FILE).stat().st_size:,}"


def _named(feature: "Feature") -> str:
    """Return the name of a feature, and the shape of a tensor."""
    return f"{feature.name} {list(feature.shape)}" if feature.shape else feature.name


def _shorten(names: Sequence[str]) -> str:
    """Return the number of names, and the first ones."""
    some = ", ".join(names[:NAMES_SHOWN])
    return f"{len(names)}: {some}{', …' if len(names) > NAMES_SHOWN else ''}"


def check_models(settings: Settings) -> int:
    """Print the state of all versions; return 1 if one is rejected or cannot be read. Raises `StartupError`."""
    from softmaxd.models.trials import try_out  # noqa: PLC0415 - it loads ONNX Runtime

    versions, code = _versions(settings)
    width = max(len(name) for name in ("model", *(name for name, _, _ in versions)))
    digits = max(len(number) for number in ("version", *(number for _, number, _ in versions)))
    say(f"{'model':{width}}  {'version':{digits}}  state")
    for name, version, folder in versions:
        try:
            try_out(folder, settings)
            state = "ready"
        except ModelError as error:
            state, code = f"rejected: {error}", 1
        say(f"{name:{width}}  {version:{digits}}  {state}")
    return code


def _versions(settings: Settings) -> tuple[list[tuple[str, str, Path]], int]:
    """Return every version folder, by name, then by number; and 1 if something is missing, which is told, else 0.

    Raises `StartupError`.
    """
    from softmaxd.models.folders import look_first  # noqa: PLC0415 - it loads pydantic and NumPy

    found = look_first(settings.models_dir)
    missing = sorted(key for key in found.pins.items() if key not in found.folders)
    problems = found.problems() + [f"{name} version {pin} is pinned, but not there" for name, pin in missing]
    routed = sorted((name, version) for name, route in found.routes.items() for version in route.versions)
    lost = [key for key in routed if key not in found.folders]
    problems += [f"{name} version {version} has a part in a route, but is not there" for name, version in lost]
    for problem in problems:
        say(f"softmaxd: {problem}", file=sys.stderr)
    versions = [
        (name, " ".join([str(number), *_marks(found, name, number)]), folder)
        for (name, number), (folder, _) in sorted(found.folders.items())
    ]
    return versions, int(bool(problems))


def _marks(found: "Found", name: str, number: int) -> list[str]:
    """Return a word for each part that a version has: pinned, its share of the requests, shadow."""
    pinned = ["pinned"] if found.pins.get(name) == number else []
    return pinned + (found.routes[name].marks(number) if name in found.routes else [])
