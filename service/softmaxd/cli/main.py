"""The `softmaxd` command."""

import argparse
import http.client
import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from softmaxd import __version__
from softmaxd.errors import ModelError, StartupError
from softmaxd.models.manifest import MODEL_FILE
from softmaxd.models.publishing import Refused
from softmaxd.settings import Settings, SettingsError, option_name, read_settings

HEALTH_SECONDS = 2.0
NAMES_SHOWN = 2  # of the features and labels of a model in a table


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code: 0, 1 for a failure, 2 for a wrong option or setting."""
    options = vars(_parser().parse_args(arguments))
    command = options.pop("command")
    chosen = {name: options.pop(name) for name in Settings.model_fields if name in options}
    try:
        return int(command(read_settings(os.environ, chosen), **options))
    except (ModelError, StartupError, Refused) as error:
        print(f"softmaxd: {error}", file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1


def _serve(settings: Settings) -> int:
    for number in (signal.SIGTERM, signal.SIGINT):  # until uvicorn has its own: process 1 of a container ignores them
        signal.signal(number, lambda *_: sys.exit(0))
    from softmaxd.logs import set_up_logs  # noqa: PLC0415 - `softmaxd health` needs none of what serving loads
    from softmaxd.server import serve  # noqa: PLC0415

    set_up_logs(settings.log_format, settings.log_level)
    serve(settings)
    return 0


def _health(settings: Settings) -> int:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - it is compared
    connection = http.client.HTTPConnection(host, settings.port, timeout=HEALTH_SECONDS)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        print(f"softmaxd: no answer from {host} port {settings.port}: {error}", file=sys.stderr)
        return 1
    finally:
        connection.close()
    print(f"{host} port {settings.port} is {'ready' if status == http.client.OK else f'not ready: {status}'}")
    return 0 if status == http.client.OK else 1


def _add_model(
    settings: Settings, *, file: Path, name: str, labels: list[str] | None, features: list[str] | None
) -> int:
    if importlib.util.find_spec("onnx") is None:
        raise StartupError(
            "models add needs the package onnx, which serving does not: run make add, or python -m pip install onnx"
        )
    from softmaxd.adding.add import add_model  # noqa: PLC0415 - only this command needs it

    try:
        folder, manifest = add_model(file, settings.models_dir, name=name, labels=labels, features=features)
    except OSError as error:
        raise Refused(f"{error.strerror}: {error.filename}") from error
    print(*manifest.notes, f"published {folder}", sep="\n")
    return 0


def _list_models(settings: Settings) -> int:
    from softmaxd.models.loading import read_manifest  # noqa: PLC0415 - it loads ONNX Runtime

    rows = [("model", "version", "features", "labels", "accuracy", "bytes")]
    for name, version, folder in _versions(settings):
        try:
            manifest = read_manifest(folder)
        except ModelError as error:
            rows.append((name, version, "–", "–", "–", f"rejected: {error}"))
            continue
        accuracy = f"{manifest.metrics['test_accuracy']:.1%}" if "test_accuracy" in manifest.metrics else "–"
        features = _shorten([feature.name for feature in manifest.features])
        size = f"{(folder / MODEL_FILE).stat().st_size:,}"
        rows.append((name, version, features, _shorten(manifest.labels), accuracy, size))
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _check_models(settings: Settings) -> int:
    from softmaxd.models.loading import try_out  # noqa: PLC0415 - it loads ONNX Runtime

    versions = _versions(settings)
    width = max([len("model"), *(len(name) for name, _, _ in versions)])
    print(f"{'model':{width}}  version  state")
    code = 0
    for name, version, folder in versions:
        try:
            try_out(folder)
            state = "ready"
        except ModelError as error:
            state, code = f"rejected: {error}", 1
        print(f"{name:{width}}  {version:7}  {state}", flush=True)
    return code


def _versions(settings: Settings) -> list[tuple[str, str, Path]]:
    """Return every version folder, by name, then by number."""
    from softmaxd.models.versions import check_folder, version_folders  # noqa: PLC0415 - it loads ONNX Runtime

    check_folder(settings.models_dir)

    return [(name, str(number), folder) for (name, number), folder in sorted(version_folders(settings.models_dir))]


def _shorten(names: Sequence[str]) -> str:
    """Return how many names there are, and the first ones."""
    some = ", ".join(names[:NAMES_SHOWN])
    return f"{len(names)}: {some}{', …' if len(names) > NAMES_SHOWN else ''}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="softmaxd",
        description="An inference service for softmax classifiers.",
        epilog="example: softmaxd serve --port 8000",
    )
    parser.add_argument("--version", action="version", version=f"softmaxd {__version__}")
    commands = parser.add_subparsers(metavar="command", required=True)
    serve = commands.add_parser(
        "serve",
        help="serve the models of a folder over HTTP",
        description="Serve the models of a folder over HTTP. Each option is also an environment variable.",
        epilog="example: softmaxd serve --models-dir models --port 8000",
        allow_abbrev=False,
    )
    serve.set_defaults(command=_serve)
    _add_options(serve, list(Settings.model_fields))
    models = commands.add_parser(
        "models",
        help="list, check or add models",
        description="What a folder of models has, and how a model of your own gets there.",
        epilog="example: softmaxd models add iris.onnx --name iris",
    )
    _add_model_commands(models.add_subparsers(metavar="action", required=True))
    health = commands.add_parser(
        "health",
        help="exit with 0 when a running service is ready, else with 1",
        description="Ask a running service whether it is ready, for container health checks.",
        epilog="example: softmaxd health --port 8000",
        allow_abbrev=False,
    )
    health.set_defaults(command=_health)
    _add_options(health, ["host", "port"])
    return parser


def _add_model_commands(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add = actions.add_parser(
        "add",
        help="publish an ONNX classifier as the next version of a model",
        description="Publish any ONNX classifier as the next version of a model, and say what was found in it.",
        epilog="example: softmaxd models add iris.onnx --name iris --labels setosa,versicolor,virginica",
        allow_abbrev=False,
    )
    add.set_defaults(command=_add_model)
    add.add_argument("file", metavar="FILE", type=Path, help="The ONNX file of a classifier.")
    add.add_argument("--name", metavar="NAME", required=True, help="The name that the model is served by.")
    for option, default in (
        ("labels", "the model's own, else class-0, class-1 and so on"),
        ("features", "x0, x1 and so on"),
    ):
        text = f"The names of the {option} in order, with commas between them. Default: {default}."
        add.add_argument(f"--{option}", metavar="A,B,C", type=_names, help=text)
    _add_options(add, ["models_dir"])
    show = actions.add_parser(
        "list",
        help="list every version of every model",
        description="List every version of every model, with what its manifest says.",
        epilog="example: softmaxd models list --models-dir models",
        allow_abbrev=False,
    )
    show.set_defaults(command=_list_models)
    _add_options(show, ["models_dir"])
    check = actions.add_parser(
        "check",
        help="load every version as the service does; exit with 1 when one is rejected",
        description="Try out every version of every model as the service does, and say which are rejected, and why.",
        epilog="example: softmaxd models check --models-dir models",
        allow_abbrev=False,
    )
    check.set_defaults(command=_check_models)
    _add_options(check, ["models_dir"])


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _add_options(parser: argparse.ArgumentParser, names: list[str]) -> None:
    for name in names:
        field = Settings.model_fields[name]
        default = "" if field.default in (None, ()) else f" Default: {field.default}."
        text = f"{(field.description or '').replace('`', '')}{default}".replace("%", "%%")
        parser.add_argument(option_name(name), metavar="VALUE", default=argparse.SUPPRESS, help=text)
