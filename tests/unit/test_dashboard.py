"""docker-compose.yml's profile `observability`: its files have the form that Grafana takes, and fit each other."""

import json
import re
import typing
from copy import deepcopy
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard, DataTransformerConfig, Panel
from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from tests.support.dashboards import DASHBOARD, GRAFANA, panels, queries
from tests.support.paths import REPOSITORY
from tests.support.prometheus import CONFIGURATION

WITHOUT_MORE = ConfigDict(extra="forbid", strict=True)
COMPOSE = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
OBSERVABILITY = {
    name: service for name, service in COMPOSE["services"].items() if service.get("profiles") == ["observability"]
}


@with_config(WITHOUT_MORE)
class JsonData(TypedDict):
    """Options of a data source of the type prometheus: https://grafana.com/docs/grafana/latest/datasources/prometheus/."""

    httpMethod: Literal["GET", "POST"]
    manageAlerts: bool
    timeInterval: Annotated[str, Field(pattern=r"^\d+[smh]$")]


@with_config(WITHOUT_MORE)
class Source(TypedDict):
    """A data source: https://grafana.com/docs/grafana/latest/administration/provisioning/#data-sources."""

    name: str
    uid: Annotated[str, Field(pattern=r"^[\w-]{1,40}$")]
    type: Literal["prometheus"]
    access: Literal["proxy"]
    url: Annotated[str, Field(pattern=r"^http://\w+:\d+$")]
    isDefault: bool
    editable: bool
    jsonData: JsonData


@with_config(WITHOUT_MORE)
class Sources(TypedDict):
    """A file of data sources."""

    apiVersion: Literal[1]
    datasources: Annotated[list[Source], Field(min_length=1)]


@with_config(WITHOUT_MORE)
class Options(TypedDict):
    """The folder of a provider of dashboards."""

    path: Annotated[str, Field(pattern="^/")]
    foldersFromFilesStructure: NotRequired[bool]


@with_config(WITHOUT_MORE)
class Provider(TypedDict):
    """A provider: https://grafana.com/docs/grafana/latest/administration/provisioning/#dashboards."""

    name: str
    type: Literal["file"]
    disableDeletion: bool
    allowUiUpdates: bool
    updateIntervalSeconds: Annotated[int, Field(ge=1)]
    options: Options


@with_config(WITHOUT_MORE)
class Providers(TypedDict):
    """A file of providers of dashboards."""

    apiVersion: Literal[1]
    providers: Annotated[list[Provider], Field(min_length=1)]


SCHEMAS: list[tuple[str, Any]] = [("datasources/prometheus.yml", Sources), ("dashboards/softmaxd.yml", Providers)]


def provisioned(file: str) -> Any:
    return yaml.safe_load((GRAFANA / "provisioning" / file).read_text())


def parsed(dashboard: dict[str, Any]) -> Dashboard:
    """Return a dashboard as objects of Grafana's schema."""
    register_default_plugins()
    found = Dashboard.from_json(dashboard)
    for panel in found.panels or ():
        if isinstance(panel, Panel) and panel.transformations:  # which from_json leaves as they are
            panel.transformations = [DataTransformerConfig.from_json(vars_of(each)) for each in panel.transformations]
    return found


def vars_of(node: object) -> dict[str, Any]:
    assert isinstance(node, dict)
    return node


def unknown(given: Any, known: Any, place: str = "") -> list[str]:
    """Return the places of a document that its objects do not have, or have otherwise."""
    if isinstance(given, dict) and isinstance(known, dict):
        return [
            each
            for name in given
            for each in (unknown(given[name], known[name], f"{place}.{name}") if name in known else [f"{place}.{name}"])
        ]
    if isinstance(given, list) and isinstance(known, list) and len(given) == len(known):
        return [
            each
            for index, pair in enumerate(zip(given, known, strict=True))
            for each in unknown(*pair, f"{place}[{index}]")
        ]
    return [] if given == known else [place]


def wrong_types(node: object, place: str = "") -> list[str]:
    """Return the places of the values below an object of the schema that do not have the type of their field."""
    if isinstance(node, list):
        return [each for index, item in enumerate(node) for each in wrong_types(item, f"{place}[{index}]")]
    if not hasattr(node, "to_json"):
        return []
    hints = typing.get_type_hints(type(node))
    found = []
    for name, value in vars(node).items():
        found += wrong_types(value, f"{place}.{name}")
        if not fits(value, hints[name]):
            found.append(f"{place}.{name}: {value!r} is no {hints[name]}")
    return found


def fits(value: object, hint: Any) -> bool:
    """Return True if a value has a type; a text fits an enumeration, but not a number."""
    adapter = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    try:
        if isinstance(value, str | int | float):
            adapter.validate_json(json.dumps(value), strict=True)
        else:
            adapter.validate_python(value)
    except ValueError:
        return False
    return True


def test_the_dashboard_has_only_fields_of_the_schema() -> None:
    written = json.loads(json.dumps(parsed(DASHBOARD), cls=JSONEncoder))

    assert unknown(DASHBOARD, written) == []


def test_the_values_of_the_dashboard_have_the_types_of_the_schema() -> None:
    assert wrong_types(parsed(DASHBOARD)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("panels", 1, "targets", 0, "expression"), "up"),
        (("panels", 1, "gridPos", "w"), "4"),
        (("panels", 1, "options", "colorMode"), "pink"),
        (("panels", 1, "fieldConfig", "defaults", "unit"), 3),
        (("refresh",), 10),
    ],
    ids=lambda each: str(each[-1]) if isinstance(each, tuple) else "",
)
def test_another_form_would_be_noticed(path: tuple[str | int, ...], value: object) -> None:
    dashboard: Any = deepcopy(DASHBOARD)
    node = dashboard
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value

    found = parsed(dashboard)

    assert unknown(dashboard, json.loads(json.dumps(found, cls=JSONEncoder))) + wrong_types(found) != []


@pytest.mark.parametrize(("file", "schema"), SCHEMAS, ids=[file for file, _ in SCHEMAS])
def test_a_provisioning_file_has_the_form_that_grafana_documents(file: str, schema: Any) -> None:
    TypeAdapter(schema).validate_python(provisioned(file))


def test_every_provisioning_file_is_checked() -> None:
    folder = GRAFANA / "provisioning"

    assert {str(path.relative_to(folder)) for path in folder.rglob("*.yml")} == {file for file, _ in SCHEMAS}


def test_panels_have_their_own_place_on_the_grid() -> None:
    places = [each["gridPos"] for each in DASHBOARD["panels"]]
    identities = [each["id"] for each in DASHBOARD["panels"]]

    assert len(set(identities)) == len(identities)
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"], (one, other)


def test_the_dashboard_shows_all_that_is_promised() -> None:
    shown = " ".join(query for _, query in queries())

    assert {row["title"] for row in DASHBOARD["panels"]} - {panel["title"] for panel in panels()} == {
        "Now",
        "Traffic and errors",
        "Latency by version",
        "Canary and shadow",
        "Batches and queue",
        "Memory and processes",
        "Drift and labels",
    }
    for metric in (
        "rows",
        "batch_rows",
        "queued_rows",
        "inflight_bytes",
        "shadow_rows",
        "drift_evidence",
        "predicted_labels",
    ):
        assert f"softmaxd_{metric}" in shown


def test_every_query_asks_the_source_that_is_chosen() -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}

    assert [panel["title"] for panel in panels() if panel["datasource"] != chosen] == []
    assert [target for panel in panels() for target in panel["targets"] if target["datasource"] != chosen] == []


def test_the_profile_starts_nothing_unless_it_is_asked_for() -> None:
    assert {name: service["profiles"] for name, service in OBSERVABILITY.items()} == {
        "prometheus": ["observability"],
        "grafana": ["observability"],
    }


def test_every_mounted_file_exists_and_is_for_reading_only() -> None:
    for service in OBSERVABILITY.values():
        mounts = [mount.split(":") for mount in service["volumes"] if mount.startswith("./")]
        assert mounts
        assert [mount for mount in mounts if mount[2:] != ["ro"] or not (REPOSITORY / mount[0]).is_dir()] == []


def test_grafana_finds_prometheus_and_the_dashboard_where_compose_puts_them() -> None:
    (source,) = provisioned("datasources/prometheus.yml")["datasources"]
    (provider,) = provisioned("dashboards/softmaxd.yml")["providers"]
    grafana, prometheus = OBSERVABILITY["grafana"], OBSERVABILITY["prometheus"]

    assert source["url"] == "http://prometheus:" + prometheus["ports"][0].rpartition(":")[2]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in grafana["volumes"]
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home.parent == Path(provider["options"]["path"])
    assert (GRAFANA / "dashboards" / home.name).exists()


def test_prometheus_reads_its_configuration_and_finds_the_service() -> None:
    configuration = yaml.safe_load(CONFIGURATION.read_text())
    (scraped,) = configuration["scrape_configs"]
    (found,) = scraped["dns_sd_configs"]

    assert f"--config.file=/etc/prometheus/{CONFIGURATION.name}" in OBSERVABILITY["prometheus"]["command"]
    assert (scraped["job_name"], found["names"]) == ("softmaxd", ["softmaxd"])
    assert found["names"][0] in COMPOSE["services"]
    assert COMPOSE["services"]["softmaxd"]["ports"][0].endswith(f":{found['port']}")


def test_nobody_outside_this_machine_reaches_them() -> None:
    for service in OBSERVABILITY.values():
        assert [port for port in service["ports"] if not port.startswith("127.0.0.1:")] == []


def test_nobody_can_log_in_to_grafana() -> None:
    settings = OBSERVABILITY["grafana"]["environment"]

    assert settings["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert settings["GF_AUTH_BASIC_ENABLED"] == "false"
    assert "GF_AUTH_ANONYMOUS_ORG_ROLE" not in settings  # it would be more than Viewer


def test_they_write_only_into_their_volumes() -> None:
    written = {name: [mount for mount in each["volumes"] if mount[0] != "."] for name, each in OBSERVABILITY.items()}

    assert all(service["read_only"] for service in OBSERVABILITY.values())
    assert written == {"prometheus": ["prometheus:/prometheus"], "grafana": ["grafana:/var/lib/grafana"]}
    assert "--storage.tsdb.path=/prometheus" in OBSERVABILITY["prometheus"]["command"]


def test_prometheus_keeps_the_week_that_an_alert_compares_with() -> None:
    options = " ".join(OBSERVABILITY["prometheus"]["command"])
    (days,) = re.findall(r"retention\.time=(\d+)d", options)

    assert int(days) > 8  # a day, a week ago
