"""The scaling on the queue asks for the metric that the rule of the adapter makes of one that the service has."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.support.kubernetes.manifests import FOLDER, of_kind, render_components
from tests.support.paths import REPOSITORY
from tests.support.skipping import skip_outside_ci

COMPONENT = FOLDER / "components" / "queue-scaling"
(RULE,) = yaml.safe_load((COMPONENT / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
SERIES = RULE["seriesQuery"].partition("{")[0]


def test_the_scaling_adds_the_metric_of_the_adapter_to_that_of_the_processor(tmp_path: Path) -> None:
    (scaling,) = of_kind(render_components(["queue-scaling"], tmp_path), "HorizontalPodAutoscaler")

    processor, queue = scaling["spec"]["metrics"]
    assert (processor["type"], processor["resource"]["name"]) == ("Resource", "cpu")
    assert (queue["type"], queue["pods"]["metric"]["name"]) == ("Pods", RULE["name"]["as"])


def test_the_service_has_the_series() -> None:
    table = (REPOSITORY / "docs" / "operations.md").read_text()

    (kind,) = re.findall(rf"^\| `{SERIES.removesuffix('_sum')}` \| \*m\* \| (\w+)", table, re.MULTILINE)
    assert kind == "histogram"  # which has a sum


def test_the_metric_is_the_number_of_batches_that_wait(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        skip_outside_ci("promtool is not installed; Debian has it in the package prometheus")
    query = RULE["metricsQuery"]
    for name, text in {"Series": SERIES, "LabelMatchers": 'namespace="a",pod=~"x|y"', "GroupBy": "pod"}.items():
        query = query.replace(f"<<.{name}>>", text)
    seconds = {  # of waiting in each minute
        '{namespace="a",pod="x",model="slow",version="1"}': 30,
        '{namespace="a",pod="x",model="slow",version="2"}': 15,
        '{namespace="a",pod="x",model="fast",version="1"}': 6,
        '{namespace="a",pod="y",model="slow",version="1"}': 0,
        '{namespace="b",pod="z",model="slow",version="1"}': 60,
    }
    wanted = [{"labels": '{pod="x"}', "value": 0.75}, {"labels": '{pod="y"}', "value": 0}]
    test: dict[str, Any] = {
        "interval": "1m",
        "input_series": [{"series": SERIES + labels, "values": f"0+{each}x10"} for labels, each in seconds.items()],
        "promql_expr_test": [{"expr": query, "eval_time": "10m", "exp_samples": wanted}],
    }
    (tmp_path / "test.yml").write_text(json.dumps({"tests": [test]}))

    result = subprocess.run(
        ["promtool", "test", "rules", tmp_path / "test.yml"], capture_output=True, text=True, check=False, timeout=60
    )

    assert result.returncode == 0, result.stdout + result.stderr
