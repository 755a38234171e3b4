"""`softmaxd models route`."""

from pathlib import Path

import pytest

from softmaxd.cli.main import main
from softmaxd.models.pins import PIN_FILE, write_pin
from softmaxd.models.routes import ROUTE_FILE, Route, read_route, write_route
from tests.support.onnx_models import linear, publish

GOOD = linear().SerializeToString()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with the versions 1, which is pinned, and 2 to 4, of which 4 has other labels."""
    for version in (1, 2, 3):
        publish(tmp_path / "models", version, GOOD)
    publish(tmp_path / "models", 4, GOOD, labels=("x", "y", "z"))
    write_pin(tmp_path / "models" / "linear", 1)
    return tmp_path / "models"


def run(models: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return the exit code, the output and the errors of `softmaxd models`."""
    code = main(["models", *arguments, "--models-dir", str(models)])
    return code, *capsys.readouterr()


def test_a_route_is_given_replaced_and_turned_off(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = run(models, capsys, "route", "linear", "--to", "2=10%", "--to", "3=2.5%", "--shadow", "4")
    written = read_route(models / "linear")
    replaced = run(models, capsys, "route", "linear", "--to", "2=50%")
    last = read_route(models / "linear")
    off = run(models, capsys, "route", "linear", "--off")

    text = "linear has a route: 10% to version 2, 2.5% to version 3, version 4 as a shadow\n"
    assert (shared, written) == ((0, text, ""), Route(((2, 1000), (3, 250)), 4))
    assert (replaced, last) == ((0, "linear has a route: 50% to version 2\n", ""), Route(((2, 5000),)))
    assert off == (0, "linear has no route: one version answers all requests\n", "")
    assert read_route(models / "linear") is None


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["linear"], "give --to VERSION=SHARE% or --shadow VERSION or both, or --off alone"),
        (["linear", "--off", "--shadow", "2"], "give --to VERSION=SHARE% or --shadow VERSION or both, or --off alone"),
        (["linear", "--to", "9=10%"], "linear has no version 9, but 1, 2, 3, 4"),
        (["linear", "--shadow", "9"], "linear has no version 9, but 1, 2, 3, 4"),
        (["other", "--off"], "{models} has no model other"),
        (["linear", "--to", "2=60%", "--to", "3=60%"], "the shares are 120% together, more than 100%"),
        (["linear", "--to", "2=1%", "--to", "2=2%"], "version 2 has two shares"),
        (
            ["linear", "--to", "4=10%"],
            "version 4 cannot take part: its labels, or their order, differ from those of version 1",
        ),
        (
            ["linear", "--to", "4=10%", "--shadow", "4"],
            "version 4 cannot take part: its labels, or their order, differ from those of version 1",
        ),
        (
            ["linear", "--to", "1=10%"],
            "version 1 answers for linear already: first pin the version that should answer the rest, for example with "
            "softmaxd models pin linear 4",
        ),
    ],
)
def test_a_route_that_cannot_be_followed_is_refused(
    models: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    code, _, error = run(models, capsys, "route", *arguments)

    assert (code, error) == (1, f"softmaxd: {reason.format(models=models)}\n")
    assert read_route(models / "linear") is None


@pytest.mark.parametrize("share", ["2", "2=10", "2=0%", "2=101%", "0=10%", "x=10%", "2=", "=10%"])
def test_a_share_in_another_form_is_refused(models: Path, capsys: pytest.CaptureFixture[str], share: str) -> None:
    with pytest.raises(SystemExit, match=r"2"):
        run(models, capsys, "route", "linear", "--to", share)

    reason = f"expected a version and its share from 0.01% to 100%, like 2=10%, not {share!r}"
    assert capsys.readouterr().err.endswith(f"error: argument --to: {reason}\n")


def test_a_version_that_cannot_be_read_gets_no_part(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / "linear" / "2" / "model.onnx").write_bytes(b"other")

    code, _, error = run(models, capsys, "route", "linear", "--to", "2=10%")

    assert (code, "does not match its manifest" in error) == (1, True)
    assert read_route(models / "linear") is None


def test_a_pin_that_cannot_be_read_is_no_other_version(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / "linear" / PIN_FILE).write_text("one\n")

    assert run(models, capsys, "route", "linear", "--to", "2=10%") == (
        1,
        "",
        "softmaxd: pinned has no number of a version\n",
    )
    assert read_route(models / "linear") is None


def test_a_version_with_a_part_in_the_route_is_not_removed(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_route(models / "linear", Route(((2, 1000),), 3))

    for version in ("2", "3"):
        reason = f"linear version {version} has a part in its route: first use softmaxd models route linear --off"
        assert run(models, capsys, "remove", "linear", version) == (1, "", f"softmaxd: {reason}\n")
    assert run(models, capsys, "remove", "linear", "4")[0] == 0


def test_a_route_of_a_model_that_lost_all_versions_is_turned_off(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (models / "other").mkdir()
    write_route(models / "other", Route(shadow=1))

    refused = run(models, capsys, "route", "other", "--shadow", "1")
    assert run(models, capsys, "route", "other", "--off")[0] == 0

    assert refused == (1, "", "softmaxd: other has no version 1, but no version at all\n")
    assert not (models / "other" / ROUTE_FILE).exists()
