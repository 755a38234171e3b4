"""Debian's Prometheus with the rules of deploy/prometheus, as it runs in docker-compose.yml."""

import math
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.support.paths import REPOSITORY
from tests.support.processes import forget, start
from tests.support.runbooks import RUNBOOKS
from tests.support.skipping import skip_outside_ci

FOLDER = REPOSITORY / "deploy" / "prometheus"
RULES = FOLDER / "softmaxd.rules.yml"
CONFIGURATION = FOLDER / "compose.yml"
STOP_SECONDS = 30


def need(program: str) -> None:
    """Skip the test without one of Debian's two programs, or fail it in CI."""
    if shutil.which(program) is None:
        skip_outside_ci(f"{program} is not installed; Debian has it in the package prometheus")


def promtool(*arguments: str | Path) -> None:
    """Run promtool, which says nothing that matters when all is well."""
    need("promtool")
    result = subprocess.run(
        ["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


class Prometheus:
    """A Prometheus that scrapes these addresses every few seconds, and looks at the rules each second."""

    def __init__(self, folder: Path, *targets: str) -> None:
        need("prometheus")
        (folder / RULES.name).write_text(_often(RULES.read_text()))
        file = folder / CONFIGURATION.name
        file.write_text(_with_targets(_often(CONFIGURATION.read_text()), targets))
        options = [
            f"--config.file={file}",
            f"--storage.tsdb.path={folder}",
            f"--web.user-assets={RUNBOOKS}",
            "--web.external-url=http://prometheus",
            "--web.listen-address=127.0.0.1:0",
        ]
        self._process = start(["prometheus", *options], cwd=folder)
        self.url = self._find_url()

    def _find_url(self) -> str:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if found := re.search(r'"Listening on".* address=(\S+)', line):
                return f"http://{found[1]}"
        raise RuntimeError("Prometheus did not start")

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=STOP_SECONDS)
        forget(self._process)

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer of Prometheus' HTTP API."""
        response = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=STOP_SECONDS)
        assert response.status_code == 200, (parameters, response.text)
        return response.json()["data"]

    def query(self, expression: str) -> list[tuple[Mapping[str, str], float]]:
        """Return labels and value of each sample of an expression now, without those that are no number."""
        samples = self.get("query", query=expression)["result"]
        values = [(sample["metric"], float(sample["value"][1])) for sample in samples]
        return [(labels, value) for labels, value in values if not math.isnan(value)]

    def rules(self) -> dict[str, dict[str, Any]]:
        """Return the rules by name."""
        return {rule["name"]: rule for group in self.get("rules")["groups"] for rule in group["rules"]}


def _often(text: str) -> str:
    """Return a configuration or rules with short intervals. That of scrapes is their time limit, too."""
    changed, number = re.subn(r"^( *(?:evaluation_)?interval: )\d+\w", r"\g<1>1s", text, flags=re.MULTILINE)
    assert number
    return re.sub("scrape_interval: .+", "scrape_interval: 4s", changed)


def _with_targets(text: str, targets: tuple[str, ...]) -> str:
    """Return a configuration with these targets in the place of the names that Docker knows."""
    changed, number = re.subn(
        r"dns_sd_configs:\n(?: {6,}.+\n)+", f"static_configs: [{{targets: [{', '.join(targets)}]}}]\n", text
    )
    assert number == 1
    return changed
