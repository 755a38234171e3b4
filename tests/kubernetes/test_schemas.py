"""Every object is as the schemas of its API have it, and the check refuses a field that they do not have."""

from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from tests.support.kubernetes.schemas import VERSIONS, Object, check

Rendered = Callable[[str], list[Object]]
PLACES: dict[str, list[str | int]] = {
    "Deployment": ["spec", "template", "spec", "containers", 0, "livenessProbe", "httpGet"],
    "HorizontalPodAutoscaler": ["spec", "metrics", 0, "resource"],
    "InferenceService": ["spec", "predictor", "model"],
    "NetworkPolicy": ["spec", "ingress", 0, "ports", 0],
    "PersistentVolumeClaim": ["spec", "resources"],
    "PodDisruptionBudget": ["spec"],
    "Service": ["spec", "ports", 0],
    "ServiceMonitor": ["spec", "endpoints", 0],
    "ServingRuntime": ["spec", "containers", 0, "securityContext"],
}


def test_every_object_matches_its_schemas(objects: list[Object]) -> None:
    for each in objects:
        assert check(each) in (VERSIONS, ["prometheus-operator"], ["kserve"])


def test_each_kind_of_object_is_there(rendered: Rendered) -> None:
    found = {each["kind"] for form in ("together", "production", "kserve") for each in rendered(form)}

    assert found == {*PLACES, "ConfigMap", "Namespace"}


@pytest.mark.parametrize("kind", PLACES)
def test_a_field_that_the_api_does_not_know_is_found(rendered: Rendered, kind: str) -> None:
    form = "kserve" if kind in {"InferenceService", "ServingRuntime"} else "together"
    wrong = next(each for each in rendered(form) if each["kind"] == kind)
    wrong = changed(wrong, PLACES[kind], {"livnessProbe": {}})

    with pytest.raises(jsonschema.ValidationError, match=r"'livnessProbe' was unexpected"):
        check(wrong)


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (["spec", "containers", 0], {"ports": [{"containerPort": "8080"}]}, "'8080' is not of type 'integer'"),
        (["spec"], {"protocolVersions": "v2"}, "'v2' is not of type 'array'"),
        (["spec"], {"containers": None}, "None is not of type 'array'"),
    ],
)
def test_a_runtime_of_kserve_with_a_wrong_value_is_found(
    rendered: Rendered, place: list[str | int], value: Object, reason: str
) -> None:
    (runtime,) = (each for each in rendered("kserve") if each["kind"] == "ServingRuntime")

    with pytest.raises(jsonschema.ValidationError, match=reason):
        check(changed(runtime, place, value))


def changed(whole: Any, place: list[str | int], fields: Object) -> Any:
    """Return an object with other fields at a place."""
    if not place:
        return {**whole, **fields}
    first, *rest = place
    if isinstance(whole, list):
        return [changed(each, rest, fields) if index == first else each for index, each in enumerate(whole)]
    return {**whole, first: changed(whole[first], rest, fields)}
