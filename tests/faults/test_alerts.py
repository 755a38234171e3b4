"""The alert rules of deploy/prometheus, on the series of their own tests and on the counts of a real server."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from prometheus_client.parser import text_string_to_metric_families

from softmaxd.models.calibration import Calibration
from softmaxd.models.pins import write_pin
from softmaxd.models.routes import Route, write_route
from softmaxd.numerics.trust import quantiles
from tests.support.dashboards import queries
from tests.support.onnx_models import linear, publish, with_atypicality
from tests.support.prometheus import FOLDER, RULES, promtool
from tests.support.runbooks import OPERATIONS, RUNBOOKS
from tests.support.server import Server, StartServer

TARGET = {"job": "softmaxd", "instance": "127.0.0.1:8000"}  # the labels that Prometheus adds
LOTS = 25  # of rows, each followed by a scrape: two hours, as time is counted here
MINUTES = 5  # from scrape to scrape
LOT_ROWS = 100
ALL_GOOD = f"{(LOTS - 1) * MINUTES}m"
ALL = f"{(2 * LOTS - 1) * MINUTES}m"
FIRING = 'ALERTS{alertstate="firing"}'
NOT_EVEN_PENDING = (f"count_over_time(ALERTS[{ALL_GOOD}])", ALL_GOOD, ())

Labels = tuple[tuple[str, str], ...]
Scrape = Mapping[Labels, float]  # values by name and labels of their series
Rows = npt.NDArray[np.float64]


def scrape(url: str) -> Scrape:
    """Return the samples that Prometheus would store."""
    families = text_string_to_metric_families(httpx.get(url + "/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    scraped = {tuple({"__name__": each.name, **each.labels, **TARGET}.items()): each.value for each in samples}
    return {**scraped, tuple({"__name__": "up", **TARGET}.items()): 1.0}


def series(scrapes: Sequence[Scrape]) -> list[dict[str, str]]:
    """Return scrapes as promtool reads them: each series with all of its values."""
    values: dict[Labels, list[str]] = defaultdict(lambda: ["_"] * len(scrapes))
    for index, found in enumerate(scrapes):
        for labels, value in found.items():
            values[labels][index] = repr(value)
    return [
        {
            "series": "{" + ", ".join(f"{name}={json.dumps(value)}" for name, value in labels) + "}",
            "values": " ".join(values_in_time),
        }
        for labels, values_in_time in values.items()
    ]


def assert_alerts(scrapes: Sequence[Scrape], folder: Path, *expected: tuple[str, str, Sequence[str]]) -> None:
    """Expect each expression to give, at a time, the alerts of these names."""
    expressions = [
        {
            "expr": f"count by (alertname) ({expression})",
            "eval_time": time,
            "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in names],
        }
        for expression, time, names in expected
    ]
    test = {"interval": f"{MINUTES}m", "input_series": series(scrapes), "promql_expr_test": expressions}
    tests = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}
    file = folder / "scraped.test.yml"
    file.write_text(json.dumps(tests))  # which is YAML, too
    promtool("test", "rules", file)


def draw(numbers: np.random.Generator, rows: int, *, at: float = 0.0) -> Rows:
    return numbers.normal(at, 1.0, (rows, 2))


@pytest.fixture(scope="module")
def scrapes(tmp_path_factory: pytest.TempPathFactory) -> list[Scrape]:
    """Scrapes of a server that answers rows like the calibration rows, and then rows with both features 1 higher."""
    numbers = np.random.default_rng(7)
    values = quantiles(np.square(draw(numbers, 1_000)).sum(axis=1)).tolist()
    calibration = Calibration(rows=1_000, temperature=1.0, scores=values, atypicality=values)
    models = tmp_path_factory.mktemp("models")
    content = with_atypicality(linear()).SerializeToString()
    publish(models, 1, content, calibration=calibration)
    publish(models, 2, content)  # a shadow that agrees
    write_pin(models / "linear", 1)
    write_route(models / "linear", Route(shadow=2))
    server = Server(environment={"SOFTMAXD_MODELS_DIR": str(models)})
    found = []
    try:
        for at in [0.0] * LOTS + [1.0] * LOTS:
            rows = draw(numbers, LOT_ROWS, at=at).tolist()
            httpx.post(server.url + "/predict", json={"instances": rows}).raise_for_status()
            found.append(scrape(server.url))
    finally:
        server.stop()
    return found


def test_the_rules_and_the_configurations_are_valid() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    for configuration in ("prometheus.yml", "compose.yml"):
        promtool("check", "config", "--lint=all", "--lint-fatal", FOLDER / configuration)


@pytest.mark.parametrize("tests", sorted(FOLDER.glob("*.test.yml")), ids=lambda path: path.name)
def test_the_rules_fire_when_they_should_and_only_then(tests: Path) -> None:
    promtool("test", "rules", tests)


def test_every_alert_is_tested_and_described() -> None:
    alerts = set(re.findall(r"- alert: (\w+)", RULES.read_text()))
    tests = "".join(path.read_text() for path in FOLDER.glob("*.test.yml"))
    described = set(re.findall(r"^\| \[(Softmaxd\w+)\]\(runbooks/\1\.md\) \|", OPERATIONS.read_text(), re.MULTILINE))

    fired = set(re.findall(r"alertname: (\w+)\s+eval_time: \S+\s+exp_alerts:[^\[\n]*\n", tests))
    silent = set(re.findall(r"alertname: (\w+), eval_time: \S+, exp_alerts: \[\]", tests))
    assert alerts == fired == silent == described


def test_every_alert_links_to_a_page_of_its_own() -> None:
    linked = re.findall(
        r"- alert: (\w+)\n(?: {8}.*\n)*?          runbook_url: \"{{ \$externalURL }}/user/(\w+)\.md\"\n",
        RULES.read_text(),
    )
    pages = {path.stem: path.read_text() for path in RUNBOOKS.iterdir()}

    assert [alert for alert, page in linked if alert != page] == []
    assert {alert for alert, _ in linked} == set(re.findall(r"- alert: (\w+)", RULES.read_text())) == pages.keys()
    for alert, text in pages.items():
        assert re.fullmatch(rf"# {alert}\n\n.+\n\n\*\*Effect\*\*: .+\n\n1\. .+\n\nIt ends .+\n", text, re.DOTALL)


def test_all_rules_and_the_dashboard_mean_the_same_requests_to_models() -> None:
    used = [RULES.read_text(), *(query for _, query in queries())]

    selectors = re.findall(r"operation=~(\S+?)[,}]", "".join(used))

    assert len(selectors) == 4
    assert len(set(selectors)) == 1


def test_the_rules_know_only_metrics_that_the_service_has(scrapes: list[Scrape]) -> None:
    known = {dict(labels)["__name__"] for labels in scrapes[-1]}
    used = set(re.findall(r"(?<!:)\bsoftmaxd_\w+(?=[{[])", RULES.read_text()))

    assert set() < used <= known


def test_rows_like_the_calibration_rows_are_no_alert(scrapes: list[Scrape], tmp_path: Path) -> None:
    assert_alerts(scrapes[:LOTS], tmp_path, NOT_EVEN_PENDING)


def test_rows_that_drift_are_an_alert(scrapes: list[Scrape], tmp_path: Path) -> None:
    assert_alerts(scrapes, tmp_path, NOT_EVEN_PENDING, (FIRING, ALL, ["SoftmaxdDriftEvidence", "SoftmaxdRowsDrift"]))


def test_a_version_that_a_server_rejects_is_an_alert(start_server: StartServer, tmp_path: Path) -> None:
    models = tmp_path / "models"
    publish(models, 1, linear().SerializeToString())
    publish(models, 2, linear().SerializeToString(), digest="0" * 64)

    found = scrape(start_server(models_dir=str(models)).url)

    assert_alerts([found] * 3, tmp_path, (FIRING, "10m", ["SoftmaxdVersionRejected"]))
