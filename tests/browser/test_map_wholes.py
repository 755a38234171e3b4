"""The decision map of whole numbers: its cells, its crosshair and its points are rows that the model can have."""

import re
from pathlib import Path

import httpx
import pytest
from onnx import TensorProto
from playwright.sync_api import Page, expect

from softmaxd.models.features import Datatype, Feature
from tests.support.onnx_models import pictures, publish
from tests.support.playground import Visit, VisitTo

CELLS = """async ([x, y]) => {
    const {axisOf, kindOf} = await import(new URL("playground/js/views/map/kinds.js", document.baseURI));
    return axisOf(kindOf(x), ...y);
}"""
COLOURS = """([from, to]) => {
    const canvas = document.querySelector(".map canvas"), across = canvas.width / (to - from);
    const {data} = canvas.getContext("2d").getImageData(0, 4, canvas.width, 1);
    return Array.from({length: 10}, (_, x) => [...data.slice(4 * Math.round((x - from) * across)).slice(0, 4)]);
}"""
TYPES: dict[Datatype, int] = {"INT64": TensorProto.INT64, "UINT8": TensorProto.UINT8}


def publish_wholes(models: Path, datatype: Datatype) -> None:
    """Publish a model of two whole numbers, named as their type."""
    features = [Feature(name="rooms", min=0, max=9), Feature(name="floors", min=0, max=3)]
    content = pictures((2,), TYPES[datatype]).SerializeToString()
    publish(models, 1, content, name=datatype.lower(), features=features, datatype=datatype)


def colours(page: Page) -> list[list[int]]:
    """The colours at the top of the map, where the first feature is 0 to 9."""
    found: list[list[int]] = page.evaluate(COLOURS, [-1.35, 10.35])
    return found


@pytest.mark.parametrize("datatype", TYPES)
def test_cells_and_points_are_whole(visit_to: VisitTo, tmp_path: Path, datatype: Datatype) -> None:
    publish_wholes(tmp_path, datatype)
    visit = visit_to(tmp_path)
    page = visit.open("map")
    heading = page.get_by_role("region", name="The point").get_by_role("heading")
    page.get_by_role("application").focus()
    before = [int(part.split()[-1]) for part in heading.inner_text().split(",")]

    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    expect(heading).to_have_text(f"rooms {before[0] - 1}, floors {before[1] - 1}")
    expect(page.get_by_role("row").nth(1).get_by_role("cell").first).to_have_text(str(before[0] - 1))
    box = page.locator(".map canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 1, box["y"] + 1)
    lowest = 0 if datatype.startswith("U") else -1
    expect(heading).to_have_text(re.compile(rf"^rooms {lowest}, floors \d+$".replace("-", "−")))
    top = int(heading.inner_text().split()[-1])
    body = {"instances": [[rooms, top] for rooms in range(10)]}
    labels = httpx.post(f"{visit.url}/predict", json=body).json()["labels"]
    pairs = list(zip(labels, (tuple(rgba[:3]) for rgba in colours(page)), strict=True))
    for index, (label, _) in enumerate(pairs[1:]):
        if label != pairs[index][0]:
            assert pairs[index][1] != pairs[index + 1][1]
    page.get_by_role("button", name="Drop a point far from the data").click()
    expect(page.get_by_role("button", name="Remove point 2")).to_be_visible()
    assert [text for text in page.get_by_role("alert").all_inner_texts() if text] == []


def test_an_axis_is_cut_into_numbers_of_its_kind(visit: Visit) -> None:
    page = visit.open("tour")
    for kind, given, expected in (
        ("INT32", [-1.35, 3.2, 100], {"from": -1.5, "to": 3.5, "values": [-1, 0, 1, 2, 3]}),
        ("UINT8", [-9, 300, 4], {"from": -0.5, "to": 255.5, "values": [32, 96, 160, 224]}),
        ("UINT8", [-9, -7, 4], {"from": -0.5, "to": 0.5, "values": [0]}),
        ("FP32", [0, 1, 2], {"from": 0, "to": 1, "values": [0.25, 0.75]}),
    ):
        assert page.evaluate(CELLS, [kind, given]) == expected
