import subprocess
import sys
from pathlib import Path

import pytest

from softmaxd.cli.main import main
from softmaxd.settings import Settings, option_name

STOPPED_EARLY = """
import signal
import sys
from softmaxd.cli.main import main
print(main(["serve", "--models-dir", sys.argv[1]]), flush=True)  # ends before uvicorn has handlers of its own
signal.raise_signal(getattr(signal, sys.argv[2]))
sys.exit(9)
"""


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_an_option(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])

    assert f"{option_name(name)} VALUE" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_before_the_start_is_over_ends_with_0(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "none"

    ended = subprocess.run(
        [sys.executable, "-c", STOPPED_EARLY, str(folder), name], capture_output=True, text=True, check=False
    )

    line = f"softmaxd: {folder} is not a folder; set the folder of models with --models-dir\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1\n", line)
