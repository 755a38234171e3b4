"""The view of a model and its service: figures as the manifest has them, files, versions, and live charts."""

import json
import re
import shutil
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect
from prometheus_client.parser import text_string_to_metric_families

from softmaxd.models.pins import write_pin
from softmaxd.models.routes import Route as ModelRoute
from softmaxd.models.routes import write_route
from tests.support.onnx_models import linear, publish
from tests.support.paths import MODELS
from tests.support.playground import Visit, VisitTo
from tests.support.server import Server

METRICS_OF_PAGE = """async ([before, after]) => {
    const {between, read} = await import(new URL("playground/js/views/model/metrics.js", document.baseURI));
    return between(read(before, 0), read(after, 2));
}"""
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def cells(page: Page, name: str) -> list[list[str]]:
    """The texts of a table's body, by row."""
    table = page.get_by_role("group", name=name, exact=True)
    return [row.locator("th, td").all_inner_texts() for row in table.locator("tbody tr").all()]


def percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def live(page: Page, name: str) -> Locator:
    """The words above a live chart."""
    return page.locator(".thirds > div").filter(has=page.get_by_role("heading", name=name)).locator("p")


def test_the_card_says_what_the_service_says(visit: Visit) -> None:
    page = visit.open("model?model=digits")
    model = httpx.get(f"{visit.url}/models/digits").json()
    evaluation, metrics = model["evaluation"], model["metrics"]

    figures = dict(zip(("accuracy", "loss", "brier", "ece"), cells(page, "Figures"), strict=True))
    assert figures["accuracy"][1:3] == [percent(metrics["test_accuracy"])] * 2
    assert [float(each) for each in figures["loss"][1:3]] == [
        pytest.approx(metrics[name], rel=1e-3) for name in ("test_loss_before", "test_loss")
    ]
    page.get_by_text(f"All {len(metrics)} figures of the manifest").click()
    assert [row[0] for row in cells(page, "All figures")] == list(metrics)
    matrix = cells(page, "Rows by true label, then by the label given")
    assert [[int(each) for each in row[1:]] for row in matrix] == evaluation["confusion"]
    pairs = zip(evaluation["prediction_sets"], evaluation["prediction_sets_by_class"], strict=True)
    assert cells(page, "Coverage, overall") == [
        [
            percent(one["coverage"]),
            *(text for each in (one, other) for text in (percent(each["measured"]), f"{each['labels']:.2f}")),
        ]
        for one, other in pairs
    ]
    expect(
        page.get_by_text(f"{evaluation['typicality'][0]} of 360 test rows are in the least typical tenth")
    ).to_be_visible()
    expect(page.get_by_text(model["provenance"]["command"], exact=True)).to_be_visible()
    expect(page.get_by_text(model["sha256"], exact=True)).to_be_visible()
    expect(page.get_by_text(model["notes"][0])).to_be_visible()


def test_the_coverage_and_the_model_are_chosen_and_shared(visit: Visit) -> None:
    page = visit.open("model")
    shown = "Coverage by class"

    page.get_by_role("combobox", name="Model").select_option("iris, version 1")
    expect(page).to_have_url(re.compile(r"#model\?model=iris%2F1"))
    page.get_by_label("Class by class, asked for").select_option("80.0 %")

    expect(page).to_have_url(re.compile(r"#model\?model=iris%2F1&coverage=0\.8$"))
    sets = httpx.get(f"{visit.url}/models/iris").json()["evaluation"]
    expected = [
        [name, f"{one:.4f}", f"{other:.4f}"]
        for name, one, other in zip(
            ("setosa", "versicolor", "virginica"),
            sets["prediction_sets"][0]["by_label"],
            sets["prediction_sets_by_class"][0]["by_label"],
            strict=True,
        )
    ]
    assert cells(page, shown) == expected
    page.reload()
    page.get_by_role("group", name=shown).wait_for()
    assert cells(page, shown) == expected


def test_intervals_are_shown_where_the_manifest_has_them(visit_to: VisitTo, tmp_path: Path) -> None:
    shutil.copytree(MODELS / "iris", tmp_path / "iris")
    file = tmp_path / "iris" / "1" / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["metrics"] |= {"test_accuracy_low": 0.863, "test_accuracy_high": 0.995}
    manifest["metrics"] |= {"test_ece_chance_low": 0.0321, "test_ece_chance_high": 0.0625}
    file.write_text(json.dumps(manifest))

    page = visit_to(tmp_path).open("model")

    intervals = [row[-1] for row in cells(page, "Figures")]
    assert intervals == ["86.3 % to 99.5 %", "–", "–", "0.0321 to 0.0625 by chance"]


def test_the_figures_fit_with_their_intervals_and_tell_those_of_fresh_rows(visit: Visit) -> None:
    page = visit.open("model?model=blobs")
    table = page.get_by_role("group", name="Figures", exact=True)
    table.wait_for()

    assert table.evaluate("box => box.scrollWidth <= box.clientWidth")
    metrics = httpx.get(f"{visit.url}/models/blobs").json()["metrics"]
    told = f"the loss is {metrics['fresh_loss']:.4g} nats"
    expect(page.get_by_text(f"On 1,000,000 rows drawn anew, the better measure, {told}")).to_be_visible()


def test_of_two_choices_the_later_is_shown_though_the_first_is_slow(visit: Visit) -> None:
    page = visit.open("model?model=blobs")
    held: list[Route] = []
    page.route("**/models/iris/versions/1/card", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks the function, which a method forbids

    with page.expect_request("**/models/iris/versions/1/card"):
        page.get_by_role("combobox", name="Model").select_option("iris, version 1")
    page.get_by_role("combobox", name="Model").select_option("digits, version 1")
    with page.expect_response("**/models/digits/versions/1/card"):  # is asked for after the first
        held[0].continue_()

    expect(page).to_have_url(re.compile(r"model=digits%2F1"))
    expect(page.get_by_text(httpx.get(f"{visit.url}/models/digits").json()["sha256"], exact=True)).to_be_visible()


def test_the_files_of_a_version_are_linked_and_its_pictures_shown(visit: Visit) -> None:
    page = visit.open("model?model=blobs")
    for name in ("card.md", "manifest.json"):
        target = page.get_by_role("link", name=name).evaluate("link => link.href")
        assert httpx.get(target).content == Path("models/blobs/2", name).read_bytes()

    page.get_by_text("Pictures of the card (5)").click()

    picture = page.get_by_role("img", name="Decision regions")
    picture.scroll_into_view_if_needed()
    page.wait_for_function("picture => picture.complete && picture.naturalWidth > 0", arg=picture.element_handle())


def test_the_numbers_of_the_service_are_those_of_its_metrics(visit: Visit) -> None:
    page = visit.open("model")
    expect(live(page, "Batch size")).to_have_text("No run of a model")
    before = httpx.get(f"{visit.url}/metrics").text
    with httpx.Client(base_url=visit.url) as client:
        for _ in range(40):
            client.post("/predict", json={"instances": [[1, 2], [3, 4], [5, 6]]})
    after = httpx.get(f"{visit.url}/metrics").text

    expect(live(page, "Batch size")).to_have_text("3.0 rows in a run of a model, on average")
    expect(live(page, "Latency")).to_have_text(
        re.compile(r"^Half within [\d.]+ ms \(dashed\), 99 of 100 within [\d.]+ ms$")
    )
    computed = page.evaluate(METRICS_OF_PAGE, [before, after])

    assert computed["rows"] == 3
    assert computed["rate"] >= 20
    assert between_edges(before, after, computed["median"], share=0.5)
    assert between_edges(before, after, computed["slow"], share=0.99)


def between_edges(before: str, after: str, seconds: float, *, share: float) -> bool:
    """Return True if so many seconds lie in the bucket that has this share of the requests between two scrapes."""
    counts: dict[float, float] = {}
    for sign, text in ((-1, before), (1, after)):
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "softmaxd_request_seconds_bucket" and sample.labels["operation"] != "/metrics":
                    end = float(sample.labels["le"])
                    counts[end] = counts.get(end, 0) + sign * sample.value
    ends = sorted(counts)
    top = next(end for end in ends if counts[end] >= share * counts[ends[-1]])
    return max([0.0, *(end for end in ends if end < top)]) <= seconds <= top


def test_a_page_that_is_not_seen_asks_nothing(visit: Visit) -> None:
    visit.page.clock.install()
    page = visit.open("model")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.evaluate(HIDE, True)
    page.clock.run_for(60_000)
    assert asked == []
    page.evaluate(HIDE, False)
    with page.expect_request("**/metrics"):
        page.clock.run_for(2_000)


def test_other_versions_and_the_want_of_figures_are_told(page: Page, tmp_path: Path) -> None:
    publish(tmp_path, 1, linear().SerializeToString())
    publish(tmp_path, 2, b"no model")
    server = Server(environment={"SOFTMAXD_MODELS_DIR": str(tmp_path)}, traced=False)
    visit = Visit(page, server.url)
    visit.refusals_expected = 1  # there is no card
    visit.open("model")

    first, second = cells(page, "Versions")
    assert first == ["1", "ready, default, shown", ""]
    assert second[:2] == ["2", "rejected"]
    assert second[2] == httpx.get(f"{server.url}/models").json()["models"][1]["reason"]
    expect(page.get_by_text("softmaxd models calibrate linear rows.csv --target label")).to_be_visible()
    visit.check()

    assert server.stop() == 0
    expect(page.get_by_role("alert")).to_have_text("The service does not answer. Is it still running?")


def test_the_parts_of_versions_in_a_route_are_shown(page: Page, tmp_path: Path) -> None:
    for version in (1, 2):
        publish(tmp_path, version, linear().SerializeToString())
    publish(tmp_path, 3, linear((0.0, 1.0, 0.0)).SerializeToString())
    write_pin(tmp_path / "linear", 1)
    write_route(tmp_path / "linear", ModelRoute(((2, 1000),), 3))
    server = Server(environment={"SOFTMAXD_MODELS_DIR": str(tmp_path)}, traced=False)
    visit = Visit(page, server.url)
    visit.refusals_expected = 1  # there is no card
    visit.open("model")

    assert [state for _, state, _ in (cells(page, "Versions")[row] for row in range(3))] == [
        "ready, default, pinned, answers 90.0 % of the requests, shown",
        "ready, answers 10.0 % of the requests",
        "ready, runs beside as a shadow",
    ]
    expect(page.get_by_text("answers 90.0 % of the requests", exact=True)).to_be_visible()
    lines = page.get_by_role("region", name="The service now").locator(".routes p")
    shares = "linear: version 1 answers 90.0 % of the requests, version 2 answers 10.0 % of the requests."
    expect(lines).to_have_text([shares])
    rows = {"instances": [[0.25, -0.5]] * 3 + [[5, -5]]}  # version 3 gives another label for the first three
    answer = httpx.post(server.url + "/predict", json=rows, headers={"X-Request-ID": "1"}).json()
    shadow = (
        "linear: version 3 as a shadow gave another label than version 1 for 3 of 4 rows (75.0 %) "
        "since the service started."
    )
    expect(lines).to_have_text([shares, shadow])
    assert answer["version"] == "1"
    visit.check()
    assert server.stop() == 0


def test_a_service_without_models_says_how_to_get_one(page: Page, tmp_path: Path) -> None:
    server = Server(environment={"SOFTMAXD_MODELS_DIR": str(tmp_path)}, traced=False)
    visit = Visit(page, server.url)
    visit.open("model")

    expect(page.get_by_text("No model is served. Train one: softmaxd train blobs")).to_be_visible()
    expect(page.get_by_role("heading", name="The service now")).to_be_visible()
    visit.check()
    assert server.stop() == 0
