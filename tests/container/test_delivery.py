"""The form for Compose of docs/delivery.md, as it stands there, but for the name of the image and the store."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.docker import FREE_PORT, docker
from tests.support.paths import MODELS, REPOSITORY
from tests.support.stores import put
from tests.support.waiting import until

URL, FOLDER = "https://models.example.com", "/store"


@pytest.fixture
def compose(image: str, tmp_path: Path) -> Iterator[list[str]]:
    """The command `docker compose` for the form, with a folder as the store, and without a network for the pull."""
    page = (REPOSITORY / "docs" / "delivery.md").read_text()
    form = re.findall(r"^```yaml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)[0]
    (tmp_path / "form.yml").write_text(form.replace("image: softmaxd", f"image: {image}").replace(URL, FOLDER))
    changes = [
        "services:",
        f"  pull: {{network_mode: none, volumes: ['{tmp_path}/store:{FOLDER}:ro']}}",
        f"  softmaxd: {{{FREE_PORT}}}",
    ]
    (tmp_path / "changes.yml").write_text("\n".join(changes))
    files = ["--file", str(tmp_path / "form.yml"), "--file", str(tmp_path / "changes.yml")]
    command = ["compose", "--project-name", f"{image}-delivery", "--project-directory", str(tmp_path), *files]
    yield command
    docker(*command, "down", "--volumes", "--timeout", "1")


def test_a_version_is_pulled_before_the_service_starts(compose: list[str], tmp_path: Path) -> None:
    put(tmp_path / "store", MODELS / "blobs" / "1")

    docker(*compose, "up", "--detach", "softmaxd")
    url = "http://" + docker(*compose, "port", "softmaxd", "8000").strip()
    until(lambda: is_ready(url))
    answered = httpx.post(f"{url}/predict", json={"instances": [[10.5, 4.6]]}).json()

    assert (answered["model"], answered["version"], answered["labels"]) == ("blobs", "1", ["blob-3"])
    assert [each["name"] for each in httpx.get(f"{url}/models").json()["models"]] == ["blobs"]
    assert "published /srv/pulled/blobs/1" in docker(*compose, "logs", "pull")


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False
