"""Reads `GET /metrics`."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.waiting import SECONDS


def metric(url: str, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples that have these labels, as `GET /metrics` has them now."""
    families = text_string_to_metric_families(httpx.get(url + "/metrics", timeout=SECONDS).text)
    samples = [sample for family in families for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items())
