"""The files of a version by HTTP: its card, the pictures that the card shows, and its manifest."""

import re
from urllib.parse import urljoin

import httpx
import pytest

from softmaxd.models.manifest import Manifest
from tests.support.paths import MODELS

VERSIONS = sorted(path.parent.relative_to(MODELS) for path in MODELS.glob("*/*/manifest.json"))


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_card_comes_as_it_is_and_its_links_lead_to_its_pictures(client: httpx.Client, version: str) -> None:
    name, number = str(version).split("/")
    path = f"/models/{name}/versions/{number}/card"
    card = client.get(path)

    assert card.headers["content-type"] == "text/markdown; charset=utf-8"
    assert card.content == (MODELS / version / "card.md").read_bytes()
    pictures = re.findall(r"!\[[^]]*\]\(([^)]*)\)", card.text)
    assert pictures
    for picture in pictures:
        found = client.get(urljoin(path, picture))
        assert (found.status_code, found.headers["content-type"]) == (200, "image/png"), picture
        assert found.content == (MODELS / version / picture).read_bytes()


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_manifest_comes_as_it_is(client: httpx.Client, version: str) -> None:
    name, number = str(version).split("/")
    found = client.get(f"/models/{name}/versions/{number}/manifest")

    assert (found.status_code, found.headers["content-type"]) == (200, "application/json")
    assert found.content == (MODELS / version / "manifest.json").read_bytes()
    assert Manifest.model_validate_json(found.content).name == name


@pytest.mark.parametrize("path", ["card", "manifest", "data.png"])
def test_a_browser_runs_no_script_of_a_file(client: httpx.Client, path: str) -> None:
    headers = client.get(f"/models/blobs/versions/1/{path}").headers

    assert headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("blobs/versions/1/nothing.png", "This version has no such file"),
        ("blobs/versions/1/card.svg", "This version has no such file"),
        ("blobs/versions/1/..png", "This version has no such file"),
        ("blobs/versions/1/%00.png", "This version has no such file"),
        ("blobs/versions/1/%ff.png", "This version has no such file"),
        ("blobs/versions/1/..%5C..%5Cx.png", "This version has no such file"),
        ("blobs/versions/1/" + "x" * 3000 + ".png", "This file cannot be read: File name too long"),
        ("blobs/versions/1/card.md", "The pictures of a card are PNG or SVG"),
        ("blobs/versions/1/model.onnx", "The pictures of a card are PNG or SVG"),
        ("blobs/versions/1/..%2F..%2F..%2Fdata.png", "Not Found"),
        (
            "blobs/versions/9/card",
            "There is no such version of this model; GET /models lists the versions that are served",
        ),
        ("roses/versions/1/data.png", "There is no such model; GET /models lists the models that are served"),
    ],
)
def test_any_other_path_is_not_found(client: httpx.Client, path: str, detail: str) -> None:
    found = client.get(f"/models/{path}")

    assert (found.status_code, found.json()) == (404, {"detail": detail})
