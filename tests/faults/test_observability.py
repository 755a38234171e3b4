"""Prometheus and the dashboard of docker-compose.yml see a real service, on a day on which everything goes wrong."""

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from softmaxd.cli.main import main
from softmaxd.models.calibration import Calibration
from softmaxd.numerics.trust import quantiles
from tests.support.dashboards import queries, variables
from tests.support.keys import FIRST, bearer, hashed, write_keys
from tests.support.onnx_models import linear, publish, publish_slow, with_atypicality
from tests.support.prometheus import Prometheus, promtool
from tests.support.runbooks import OPERATIONS, page_queries
from tests.support.server import Server, StartServer
from tests.support.waiting import SECONDS, until

TRACED = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
WEEK = 7 * 24 * 3600
NOBODY = "127.0.0.1:1"  # a replica that is down
FAR = [[3.0, 3.0]] * 100
TENSOR = {"id": "a", "inputs": [{"name": "features", "shape": [1, 2], "datatype": "FP32", "data": [3.0, 3.0]}]}
SLOW = [[100_000.0, 0.0]]  # turns of the slow network: minutes
DAY = 'job_model_label:softmaxd_predicted_labels:{}{{job="softmaxd",model="linear",label="{}"}} {} {}\n'


@pytest.fixture(scope="module")
def server(start_shared_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A service with a model and its shadow, one that is slow, one that is broken, and a bad file of keys."""
    folder = tmp_path_factory.mktemp("service")
    models, keys = folder / "models", write_keys(folder / "keys", hashed(FIRST))
    values = quantiles(np.square(np.random.default_rng(7).normal(0, 1, (1_000, 2))).sum(axis=1)).tolist()
    calibration = Calibration(rows=1_000, temperature=1.0, scores=values, atypicality=values)
    publish(models, 1, linear((0.0, 9.0, 0.0)).SerializeToString())  # other labels than the next one
    publish(models, 2, with_atypicality(linear()).SerializeToString(), calibration=calibration)
    publish(models, 1, linear().SerializeToString(), name="broken", digest="0" * 64)
    publish_slow(models)
    assert main(["models", "route", "linear", "--shadow", "1", "--models-dir", str(models)]) == 0
    server = start_shared_server(
        models_dir=str(models),
        default_model="absent",
        api_keys_file=str(keys),
        metrics_access="open",
        access_log="all",
        run_timeout="1",
    )
    write_keys(keys, "not a hash")
    return server


class Day:
    """A day in Prometheus: the names that gave no data so far, and the pages to which alerts led."""

    def __init__(self, prometheus: Prometheus) -> None:
        self.prometheus = prometheus
        self._queries = {f"{place}: {query}": query for place, query in (*queries(), *page_queries())}
        self.missing = {*prometheus.rules(), *self._queries}
        self.pages: dict[str, str] = {}

    def sees_all_of(self, server: Server) -> bool:
        """Ask the service for everything, and return True if all names have given data by now."""
        _ask(server)
        self._look()
        return not self.missing

    def _look(self) -> None:
        """Strike off what has data now; an alert should be pending or firing. On a busy machine a scrape may fail."""
        rules = self.prometheus.rules()
        assert {name: rule["lastError"] for name, rule in rules.items() if rule.get("lastError")} == {}
        alerts = {name: rule["alerts"] for name, rule in rules.items() if rule["type"] == "alerting"}
        self.pages |= {name: found[0]["annotations"]["runbook_url"] for name, found in alerts.items() if found}
        self.missing -= self.pages.keys()
        self.missing -= {
            name for name in self.missing - alerts.keys() if self.prometheus.query(self._queries.get(name, name))
        }


@pytest.fixture(scope="module")
def day(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """A day of a Prometheus that remembers other labels of a week ago, and has seen requests of all kinds since."""
    folder = tmp_path_factory.mktemp("prometheus")
    _write_last_week(folder)
    prometheus = Prometheus(folder, server.url.removeprefix("http://"), NOBODY)
    try:
        seen = Day(prometheus)
        with contextlib.suppress(AssertionError):  # a test names those that are missing
            until(lambda: seen.sees_all_of(server))
        yield seen
    finally:
        prometheus.stop()


def _write_last_week(folder: Path) -> None:
    """Write the blocks of a Prometheus that recorded, a week ago, a label that no row has today."""
    minutes = range(int(time.time()) - WEEK - 600, int(time.time()) - WEEK + 600, 60)
    families = [("increase1d", 1000), ("ratio1d", 1)]
    lines = [DAY.format(name, "gone", value, minute) for name, value in families for minute in minutes]
    file = folder / "last-week.txt"
    file.write_text("".join([*lines, "# EOF\n"]))
    promtool("tsdb", "create-blocks-from", "openmetrics", file, folder)


def _ask(server: Server) -> None:
    """Ask for good answers of rows that are far from the calibration rows, for slow ones, refusals and failures."""
    with httpx.Client(base_url=server.url, headers={**bearer(FIRST), **TRACED}, timeout=SECONDS) as client:

        def ask(path: str, rows: list[list[float]]) -> int:
            return client.post(path, json={"instances": rows}).status_code

        for place in ("linear/versions/1", "linear/versions/2", "linear") * 15:
            assert ask(f"/models/{place}/predict", FAR) == 200
        assert {ask("/predict", FAR) for _ in range(3)} == {503}
        assert ask("/models/linear/predict", [[]]) == 422
        assert client.post("/v2/models/linear/infer", json=TENSOR).status_code == 200
        assert {ask("/models/slow/versions/1/predict", SLOW) for _ in range(3)} == {504}


def test_every_rule_and_every_query_of_the_dashboard_and_the_pages_has_data(day: Day) -> None:
    assert day.missing == set()


def test_prometheus_shows_the_page_of_each_alert(day: Day) -> None:
    assert len(day.pages) > 10
    for name, url in day.pages.items():
        page = url.removeprefix("http://prometheus")
        assert httpx.get(day.prometheus.url + page).text.startswith(f"# {name}\n")


def test_every_variable_of_the_dashboard_has_values(day: Day) -> None:
    found = {}
    for name, query in variables().items():
        [(selector, label)] = re.findall(r"^label_values\((.+), (\w+)\)$", query)
        found[name] = day.prometheus.get(f"label/{label}/values", **{"match[]": selector})

    assert found["model"] == ["broken", "linear", "slow"]
    assert NOBODY in found["instance"]


@pytest.mark.usefixtures("day")
def test_every_metric_is_described_and_no_other_one(server: Server) -> None:
    families = text_string_to_metric_families(httpx.get(server.url + "/metrics").text)
    names = {family.name + "_total" * (family.type == "counter") for family in families}

    assert len(names) > 25
    assert names - described() == set()
    assert {name for name in described() if name.startswith(("softmaxd_", "process_"))} - names == set()


@pytest.mark.usefixtures("day")
def test_every_field_of_a_log_line_is_described(server: Server) -> None:
    fields = {field for line in server.messages() for field in line}

    assert fields > {"time", "message", "request_id", "trace_id", "reason", "rows", "infer_id"}
    assert fields - described() == set()


def described() -> set[str]:
    """Return the names in the first column of the tables of operations.md."""
    cells = re.findall(r"^\| (`.+?`) \|", OPERATIONS.read_text(), re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
