"""The file with the route of a model."""

import os
from pathlib import Path

import pytest

from softmaxd.errors import ModelError
from softmaxd.models.calibration import Calibration, LabelCalibration
from softmaxd.models.features import Feature
from softmaxd.models.manifest import Manifest
from softmaxd.models.pins import MAX_DIGITS
from softmaxd.models.routes import (
    MAX_SHARES,
    ROUTE_FILE,
    Route,
    read_route,
    remove_route,
    share_of,
    why_no_shadow,
    why_no_share,
    write_route,
)


@pytest.mark.parametrize(
    ("text", "share"),
    [("10%", 1000), ("100%", 10_000), ("0.01%", 1), ("2.5%", 250), ("2.05%", 205)]
    + [(text, None) for text in ("0%", "100.01%", "0.001%", "10", "-1%", "+1%", "1e1%", "٣%", "1.%", "%", "", "10%\n")],
)
def test_a_share_is_a_percentage_with_at_most_two_decimals(text: str, share: int | None) -> None:
    assert share_of(text) == share


@pytest.mark.parametrize(
    "route", [Route(((2, 1000),)), Route(shadow=3), Route(((2, 1), (4, 9999)), 2)], ids=["share", "shadow", "all"]
)
def test_a_route_is_written_over_and_removed(tmp_path: Path, route: Route) -> None:
    before = read_route(tmp_path)
    write_route(tmp_path, Route(((9, 10_000),)))
    write_route(tmp_path, route)
    written = read_route(tmp_path)
    remove_route(tmp_path)
    remove_route(tmp_path)

    assert (before, written, read_route(tmp_path)) == (None, route, None)
    assert list(tmp_path.iterdir()) == []


def test_a_route_of_most_versions_can_be_read(tmp_path: Path) -> None:
    versions = range(10**MAX_DIGITS - MAX_SHARES, 10**MAX_DIGITS)
    route = Route(tuple((version, 1) for version in versions), 10**MAX_DIGITS - 1)
    write_route(tmp_path, route)

    assert read_route(tmp_path) == route


def test_a_route_is_told_in_words() -> None:
    route = Route(((2, 1000), (3, 250)), 3)

    assert str(route) == "10% to version 2, 2.5% to version 3, version 3 as a shadow"
    assert [route.marks(version) for version in (1, 2, 3)] == [[], ["10%"], ["2.5%", "shadow"]]
    assert route.versions == [2, 3]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"2 10%\n2 20%\n", "route: version 2 has two shares"),
        (b"".join(b"%d 1%%\n" % version for version in range(1, 34)), "route: 33 versions have a share, more than 32"),
        (b"2 60%\n3 60%\n", "route: the shares are 120% together, more than 100%"),
        *(
            (content, f"line {line} of route should be like 2 10% or, once, like 3 shadow")
            for content, line in (
                (b"2\n", 1),
                (b"0 10%\n", 1),
                (b"2 10%\n3 shadow\n4 shadow\n", 3),
                (b"2 10% \n", 1),
                (b"\xff\n", 1),
                (b"2 Shadow\n", 1),
                (b"2  10%", 1),
            )
        ),
        (b"2 10%\n" * 400, "route has more than the 1024 bytes that it may have"),
    ],
)
def test_another_content_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / ROUTE_FILE).write_bytes(content)

    with pytest.raises(ModelError) as refused:
        read_route(tmp_path)

    assert str(refused.value) == reason


def test_a_route_is_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ROUTE_FILE)

    with pytest.raises(ModelError, match=r"is a named pipe, not a regular file"):
        read_route(tmp_path)


def test_a_route_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / ROUTE_FILE).mkdir()

    with pytest.raises(IsADirectoryError):
        write_route(tmp_path, Route(shadow=1))

    assert [path.name for path in tmp_path.iterdir()] == [ROUTE_FILE]


def manifest(version: int = 1, **fields: object) -> Manifest:
    described = {"labels": ("a", "b"), "features": (Feature(name="x", min=0, max=1),), **fields}
    return Manifest.model_validate({"name": "m", "version": version, "sha256": "0" * 64, **described})


TABLE = (Feature(name="job", input="job", datatype="BYTES", categories=("cook", "clerk")),)


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (manifest(), manifest(2), ""),
        (manifest(), manifest(2, features=(Feature(name="x", min=-9, max=9),)), ""),
        (manifest(), manifest(2, features=(Feature(name="y"),)), "its features differ from those of version 1"),
        (manifest(), manifest(2, datatype="FP64"), "its features differ from those of version 1"),
        (manifest(), manifest(2, labels=("b", "a")), "its labels, or their order, differ from those of version 1"),
        (manifest(), manifest(2, labels=("a", "c")), "its labels, or their order, differ from those of version 1"),
        (
            manifest(features=TABLE),
            manifest(2, features=(TABLE[0].model_copy(update={"categories": ("cook",)}),)),
            "",
        ),
        (
            manifest(features=TABLE),
            manifest(2, features=(TABLE[0].model_copy(update={"only_categories": True}),)),
            "its features differ from those of version 1",
        ),
    ],
)
def test_a_version_gets_no_share_of_requests_that_it_would_answer_in_another_form(
    one: Manifest, other: Manifest, reason: str
) -> None:
    assert why_no_share(one, other) == reason
    assert why_no_shadow(one, other) == (reason if "features" in reason else "")


def test_a_version_gets_no_share_of_requests_for_fields_that_it_lacks() -> None:
    by_label = (LabelCalibration(rows=1, scores=(0.5,)),) * 2
    known = [
        None,
        Calibration(rows=2, temperature=1, scores=(0.5,), atypicality=(0.5,)),
        Calibration(rows=2, temperature=1, scores=(0.5,), atypicality=(0.5,), by_label=by_label),
    ]
    versions = [manifest(calibration=each) for each in known]

    lacks = [[bool(why_no_share(one, other)) for other in versions] for one in versions]

    assert lacks == [[False, False, False], [True, False, False], [True, True, False]]
    assert why_no_share(versions[1], versions[0]) == "its calibration data lack some that version 1 has"
    assert not any(why_no_shadow(one, other) for one in versions for other in versions)
