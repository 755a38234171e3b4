"""`softmaxd models pin`, `remove` and `copy`: choose, remove and copy versions."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softmaxd.cli.output import say
from softmaxd.cli.parser import Commands, add_settings, whole_number
from softmaxd.errors import Refused
from softmaxd.settings import Settings

if TYPE_CHECKING:
    from softmaxd.models.folders import Found


def add(actions: Commands) -> None:
    """Add the actions to `softmaxd models`."""
    _add_pin(actions)
    _add_remove(actions)
    _add_copy(actions)


def _add_pin(actions: Commands) -> None:
    parser = actions.add_parser(
        "pin",
        help="choose the version that answers for a model's name",
        description="Choose the version that answers for a model's name, instead of the highest one. A running service "
        "follows.",
        epilog="example: softmaxd models pin blobs 1",
    )
    parser.set_defaults(run=pin)
    parser.add_argument("name", metavar="NAME", help="The model.")
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("version", metavar="VERSION", type=whole_number(least=1), nargs="?", help="The version.")
    choice.add_argument("--unpin", action="store_true", help="Let the highest version answer again.")
    add_settings(parser, ["models_dir"])


def _add_remove(actions: Commands) -> None:
    parser = actions.add_parser(
        "remove",
        help="remove a version of a model",
        description="Remove a version of a model with all of its files. A running service answers the requests that it "
        "has accepted, and serves the version no longer.",
        epilog="example: softmaxd models remove blobs 2",
    )
    parser.set_defaults(run=remove)
    _add_version(parser)
    add_settings(parser, ["models_dir"])


def _add_copy(actions: Commands) -> None:
    parser = actions.add_parser(
        "copy",
        help="publish a version again: as the newest, by another name, or elsewhere",
        description="Publish a copy of a version as the next version of the same model or of another one, in the same "
        "folder of models or in another one.",
        epilog="example: softmaxd models copy blobs 1 --to-dir /srv/production",
    )
    parser.set_defaults(run=copy)
    _add_version(parser)
    parser.add_argument("--to-name", metavar="NAME", help="The model that gets the version. Default: the same.")
    parser.add_argument("--to-dir", metavar="FOLDER", type=Path, help="The folder of models. Default: the same.")
    add_settings(parser, ["models_dir"])


def _add_version(parser: Any) -> None:
    parser.add_argument("name", metavar="NAME", help="The model.")
    parser.add_argument("version", metavar="VERSION", type=whole_number(least=1), help="The version.")


def pin(settings: Settings, *, name: str, version: int | None, unpin: bool) -> int:
    """Pin a version that can be read, or unpin the model.

    Raises `Refused`, `ModelError`, `StartupError` or `OSError`.
    """
    from softmaxd.models.folders import look_first  # noqa: PLC0415 - it loads pydantic and NumPy
    from softmaxd.models.loading import read_manifest  # noqa: PLC0415 - it loads ONNX Runtime
    from softmaxd.models.pins import remove_pin, write_pin  # noqa: PLC0415
    from softmaxd.models.places import refuse_single  # noqa: PLC0415

    found = look_first(settings.models_dir)
    refuse_single(settings.models_dir)
    if version is None:
        check_model(found, settings, name)
        remove_pin(settings.models_dir / name)
        say(f"{name} has no pinned version: the highest one answers")
    else:
        read_manifest(folder_of(found, settings, name, version))
        write_pin(settings.models_dir / name, version)
        say(f"{name} version {version} is pinned")
    return 0


def remove(settings: Settings, *, name: str, version: int) -> int:
    """Remove a version that is not pinned and has no route. Raises `Refused` or `StartupError`."""
    from softmaxd.models.folders import look_first  # noqa: PLC0415 - it loads pydantic and NumPy
    from softmaxd.models.places import refuse_single  # noqa: PLC0415
    from softmaxd.models.publishing import remove_version  # noqa: PLC0415

    found = look_first(settings.models_dir)
    refuse_single(settings.models_dir)
    folder = folder_of(found, settings, name, version)
    if found.pins.get(name) == version:
        raise Refused(
            f"{name} version {version} is pinned: first pin another one, or use softmaxd models pin {name} --unpin"
        )
    if name in found.routes and version in found.routes[name].versions:
        raise Refused(f"{name} version {version} has a part in its route: first use softmaxd models route {name} --off")
    remove_version(folder)
    say(f"removed {folder}")
    return 0


def copy(settings: Settings, *, name: str, version: int, to_name: str | None, to_dir: Path | None) -> int:
    """Publish a copy of a version. Raises `Refused`, `ModelError`, `StartupError` or `OSError`."""
    from softmaxd.models.folders import look_first  # noqa: PLC0415 - it loads pydantic and NumPy
    from softmaxd.models.loading import read_manifest  # noqa: PLC0415 - it loads ONNX Runtime
    from softmaxd.models.manifest import NAME  # noqa: PLC0415
    from softmaxd.models.publishing import copy_version  # noqa: PLC0415

    target = name if to_name is None else to_name
    if not re.fullmatch(NAME, target):
        raise Refused(
            "--to-name should be 1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or a digit"
        )
    found = look_first(settings.models_dir)
    source = folder_of(found, settings, name, version)
    copied = copy_version(source, read_manifest(source, settings.models_dir), (to_dir or settings.models_dir) / target)
    say(f"published {copied}")
    return 0


def folder_of(found: "Found", settings: Settings, name: str, version: int) -> Path:
    """Return the folder of a version. Raises `Refused` if there is none."""
    check_model(found, settings, name)
    if (name, version) not in found.folders:
        there = ", ".join(str(number) for model, number in sorted(found.folders) if model == name)
        raise Refused(f"{name} has no version {version}, but {there or 'no version at all'}")
    return found.folders[name, version][0]


def check_model(found: "Found", settings: Settings, name: str) -> None:
    """Raise `Refused` if there is no such model."""
    if name not in {model for model, _ in found.folders} | found.pins.keys() | found.routes.keys():
        raise Refused("; ".join([f"{settings.models_dir} has no model {name}", *found.problems()]))
