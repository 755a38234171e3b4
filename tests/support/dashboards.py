"""Reads the dashboard of deploy/grafana."""

import json
from collections.abc import Iterator
from typing import Any

from tests.support.paths import REPOSITORY

GRAFANA = REPOSITORY / "deploy" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards" / "softmaxd.json").read_text())
VALUES = {"$__rate_interval": "5m", "$instance": ".*", "$model": ".*"}  # as Grafana has them for half a day


def panels() -> list[dict[str, Any]]:
    """Return the panels with queries."""
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, str]]:
    """Give the title and the text of each query, with values in the place of variables."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], _filled(target["expr"])
    for annotation in DASHBOARD["annotations"]["list"]:
        yield annotation["name"], _filled(annotation["expr"])


def variables() -> dict[str, str]:
    """Return the query of each variable that has one."""
    return {each["name"]: each["query"]["query"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"}


def _filled(query: str) -> str:
    for name, value in VALUES.items():
        query = query.replace(name, value)
    assert "$" not in query, query
    return query
