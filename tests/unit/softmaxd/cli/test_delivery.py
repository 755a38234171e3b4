"""`softmaxd models push` and `pull`, as they are typed."""

from pathlib import Path

import pytest

from softmaxd.cli import delivery
from softmaxd.cli.main import main
from tests.support.onnx_models import linear, publish
from tests.support.web_store import serving

GOOD = linear().SerializeToString()


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A folder with models and a store, and what the push said: its first line, and the SHA-256."""
    folder = tmp_path_factory.mktemp("delivery")
    publish(folder / "models", 1, GOOD)
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery, "say", lambda *said, **_: lines.extend(said))
        code = main(["models", "push", str(folder / "store"), "linear", "--models-dir", str(folder / "models")])
    assert code == 0
    return folder, lines[0], lines[1].removeprefix("SHA-256 ")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return the exit code, the output and the errors of `softmaxd models`."""
    code = main(["models", *arguments])
    return code, *capsys.readouterr()


def test_a_version_is_pushed_and_pushed_again(
    pushed: tuple[Path, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, line, digest = pushed

    again = run(capsys, "push", str(folder / "store"), "linear:1", "--models-dir", str(folder / "models"))

    assert line == f"pushed {folder}/store/linear-1.tar"
    assert again == (0, f"there already: {folder}/store/linear-1.tar\nSHA-256 {digest}\n", "")


def test_versions_are_pulled_and_pulled_again(
    pushed: tuple[Path, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _, digest = pushed
    where = ("--models-dir", str(tmp_path))
    archive = f"{folder}/store/linear-1.tar"

    first = run(capsys, "pull", str(folder / "store"), "linear", "linear:1", *where)
    with serving(folder / "store") as server:
        again = run(capsys, "pull", f"{server.url}/linear-1.tar?sig=1", "linear:1", "--sha256", digest.upper(), *where)

    size = f"{Path(archive).stat().st_size:,}"
    lines = f"published {tmp_path}/linear/1\n", f"{tmp_path}/linear/1 is there already\n"
    assert first == (0, "".join(lines), f"softmaxd: {archive}: {size} of {size} bytes\n")
    assert again == (0, lines[1], "")


def test_the_url_of_one_archive_is_pulled(
    pushed: tuple[Path, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _, digest = pushed
    with serving(folder / "store") as server:
        url = f"{server.url}/linear-1.tar"
        code, output, _ = run(
            capsys, "pull", url, "linear:1", "--sha256", digest, "--models-dir", str(tmp_path), "--timeout", "60"
        )

    assert (code, output) == (0, f"published {tmp_path}/linear/1\n")
    assert server.ranges("linear-1.tar") == [None]
    assert len(server.requests) == 1


def test_watching_goes_on_until_it_is_ended(
    pushed: tuple[Path, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep(seconds: float) -> None:
        assert seconds == 9
        raise KeyboardInterrupt

    monkeypatch.setattr("softmaxd.delivery.following.sleep", sleep)

    code, output, error = run(
        capsys, "pull", str(pushed[0] / "store"), "linear", "--watch", "9", "--models-dir", str(tmp_path)
    )

    assert (code, output) == (130, f"published {tmp_path}/linear/1\n")
    assert error.endswith("softmaxd: interrupted\n")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["linear", "--sha256", "ab" * 32], "--sha256 goes with one NAME:VERSION, and without --watch"),
        (["a:1", "b:1", "--sha256", "ab" * 32], "--sha256 goes with one NAME:VERSION, and without --watch"),
        (["a:1", "--watch", "1", "--sha256", "ab" * 32], "--sha256 goes with one NAME:VERSION, and without --watch"),
        (["a:1", "--watch", "1"], "--watch follows the newest versions: name the models without :VERSION"),
        (["linear"], "there is no {tmp_path}/linear.versions"),
        (["linear:3"], "there is no {tmp_path}/linear-3.tar.sha256"),
    ],
)
def test_a_refusal_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    found = run(capsys, "pull", str(tmp_path), *arguments, "--models-dir", str(tmp_path / "models"))

    assert found == (1, "", f"softmaxd: {reason.format(tmp_path=tmp_path)}\n")
    assert not (tmp_path / "models").exists()


def test_the_url_of_one_archive_needs_its_checksum(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "pull", "https://host/blobs-1.tar?sig=1", "blobs:1")

    assert found == (1, "", "softmaxd: the URL of one archive needs --sha256 HEX\n")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["pull", "store", "a/b"], "argument NAME[:VERSION]: expected NAME or NAME:VERSION, like blobs:1, not 'a/b'"),
        (["push", "store", "a:0"], "argument NAME[:VERSION]: expected NAME or NAME:VERSION, like blobs:1, not 'a:0'"),
        (["pull", "store", "a:1", "--sha256", "x"], "argument --sha256: expected 64 hexadecimal digits, not 'x'"),
        (["pull", "store", "a", "--watch", "0"], "argument --watch: expected a whole number of at least 1, not '0'"),
        (["pull", "store"], "the following arguments are required: NAME[:VERSION]"),
    ],
)
def test_a_wrong_option_ends_with_2(capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["models", *arguments])

    assert reason in capsys.readouterr().err
