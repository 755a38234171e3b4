"""`softmaxd models route`: let other versions take part in the requests to a model."""

from argparse import ArgumentTypeError
from collections.abc import Sequence
from typing import TYPE_CHECKING

from softmaxd.cli.output import say
from softmaxd.cli.parser import Commands, add_settings, whole_number
from softmaxd.cli.versions import check_model, folder_of
from softmaxd.errors import Refused
from softmaxd.settings import Settings

if TYPE_CHECKING:
    from softmaxd.models.folders import Found
    from softmaxd.models.routes import Route


def add(actions: Commands) -> None:
    """Add the action to `softmaxd models`."""
    parser = actions.add_parser(
        "route",
        help="give other versions a share of a model's requests, or let one run beside",
        description="Give other versions a share of the requests to a model that name no version (canary), or let one "
        "run their rows, too, without answering (shadow). The same request id always gets the same version. A running "
        "service follows. Each run replaces the route before.",
        epilog="example: softmaxd models route blobs --to 2=10%",
    )
    parser.set_defaults(run=route)
    parser.add_argument("name", metavar="NAME", help="The model.")
    text = "Let this version answer the share, which has at most two decimals. May be given for several versions."
    parser.add_argument(
        "--to", metavar="VERSION=SHARE%", type=_share, action="append", default=[], help=text.replace("%", "%%")
    )
    text = "Let this version run the rows, too, and count how its answers differ."
    parser.add_argument("--shadow", metavar="VERSION", type=whole_number(least=1), help=text)
    parser.add_argument("--off", action="store_true", help="Remove the route: one version answers all requests again.")
    add_settings(parser, ["models_dir"])


def _share(text: str) -> tuple[int, int]:
    """Argument type: a version and its share, like `2=10%`."""
    from softmaxd.models.pins import is_version  # noqa: PLC0415 - it loads pydantic and NumPy
    from softmaxd.models.routes import share_of  # noqa: PLC0415

    version, _, part = text.partition("=")
    share = share_of(part)
    if not is_version(version) or share is None:
        raise ArgumentTypeError(f"expected a version and its share from 0.01% to 100%, like 2=10%, not {text!r}")
    return int(version), share


def route(settings: Settings, *, name: str, to: Sequence[tuple[int, int]], shadow: int | None, off: bool) -> int:
    """Write the route of a model, or remove it. Raises `Refused`, `ModelError`, `StartupError` or `OSError`."""
    from softmaxd.models.folders import look_first  # noqa: PLC0415 - it loads pydantic and NumPy
    from softmaxd.models.places import refuse_single  # noqa: PLC0415
    from softmaxd.models.routes import Route, remove_route, write_route  # noqa: PLC0415

    found, wanted = look_first(settings.models_dir), Route(tuple(to), shadow)
    refuse_single(settings.models_dir)
    check_model(found, settings, name)
    if off == bool(to or shadow):
        raise Refused("give --to VERSION=SHARE% or --shadow VERSION or both, or --off alone")
    if off:
        remove_route(settings.models_dir / name)
        say(f"{name} has no route: one version answers all requests")
        return 0
    _check(found, settings, name, wanted)
    write_route(settings.models_dir / name, wanted)
    say(f"{name} has a route: {wanted}")
    return 0


def _check(found: "Found", settings: Settings, name: str, route: "Route") -> None:
    """Raise `Refused` if a version cannot take part, or `ModelError` if it cannot be read."""
    from softmaxd.models.loading import read_manifest  # noqa: PLC0415 - it loads ONNX Runtime
    from softmaxd.models.pins import read_pin  # noqa: PLC0415
    from softmaxd.models.routes import why_no_shadow, why_no_share  # noqa: PLC0415

    if problem := route.problem():
        raise Refused(problem)
    for version in route.versions:
        folder_of(found, settings, name, version)
    read_pin(settings.models_dir / name)  # without a pin that is there, another version would seem to answer
    current, *others = found.versions_of(name)
    if current in route.versions:
        example = f", for example with softmaxd models pin {name} {others[0]}" if others else ""
        raise Refused(
            f"version {current} answers for {name} already: first pin the version that should answer the rest{example}"
        )
    answering = read_manifest(folder_of(found, settings, name, current))
    shares = [version for version, _ in route.shares]
    for version in route.versions:
        fits = why_no_share if version in shares else why_no_shadow
        if reason := fits(answering, read_manifest(folder_of(found, settings, name, version))):
            raise Refused(f"version {version} cannot take part: {reason}")
