"""The schemas cannot know these rules: the rights of pods, their limits, and that the manifests fit the service."""

import json
import re
import tomllib
from collections.abc import Iterator

from softmaxd.settings import ENV_PREFIX, Settings, read_settings
from tests.support.kubernetes.manifests import Pod, of_kind, pods
from tests.support.kubernetes.schemas import Object
from tests.support.paths import REPOSITORY

VERSION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
USER = int(re.findall(r"^USER (\d+):\d+$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)[0])
PATHS = json.loads((REPOSITORY / "docs" / "openapi.json").read_text())["paths"]
MINUTE = 60


def containers(objects: list[Object]) -> Iterator[tuple[Pod, Object]]:
    for pod in pods(objects):
        for container in pod.containers:
            yield pod, container


def settings_of(pod: Pod, container: Object) -> Settings:
    """Return the settings as the service reads them. Raises `SettingsError` for a name or a value that it refuses."""
    return read_settings({**pod.environment(container), "SOFTMAXD_HOST": "0.0.0.0"}, {})  # noqa: S104 - as the image sets it


def test_no_container_has_a_right_that_it_does_not_need(objects: list[Object]) -> None:
    for pod, container in containers(objects):
        rights = {**pod.spec.get("securityContext", {}), **container["securityContext"]}
        rights = {name: value for name, value in rights.items() if name not in {"fsGroup", "runAsGroup"}}
        assert rights == {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_no_pod_reaches_its_node_or_the_api(objects: list[Object]) -> None:
    for pod in pods(objects):
        assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} & pod.spec.keys()
        assert all("hostPath" not in volume for volume in pod.spec.get("volumes", []))
    specs = [pod.spec for pod in pods(objects) if not is_of_kserve(pod)]
    specs += [each["spec"]["predictor"] for each in of_kind(objects, "InferenceService")]
    assert all(spec["automountServiceAccountToken"] is False for spec in specs)


def test_every_image_has_the_version_of_this_checkout(objects: list[Object]) -> None:
    for _, container in containers(objects):
        assert re.fullmatch(rf"(registry\.example\.com/)?softmaxd:{re.escape(VERSION)}", container["image"])


def test_every_container_has_requests_and_limits(objects: list[Object]) -> None:
    for _, container in containers(objects):
        resources = container["resources"]
        assert resources["requests"].keys() == resources["limits"].keys() == {"cpu", "memory"}
        assert (
            resources["requests"]["memory"] == resources["limits"]["memory"]
        )  # memory that is there when it is needed


def test_every_variable_is_a_setting(objects: list[Object]) -> None:
    for pod, container in containers(objects):
        assert all(name.startswith(ENV_PREFIX) for name in pod.environment(container))
        settings_of(pod, container)


def test_every_pod_that_serves_has_a_port_of_the_service(objects: list[Object]) -> None:
    found = [(pod, container) for pod, container in containers(objects) if container in pod.services]

    assert len(found) == 1
    for pod, container in found:
        (port,) = container["ports"]
        assert port["containerPort"] == settings_of(pod, container).port


def test_probes_ask_for_paths_and_ports_that_exist(objects: list[Object]) -> None:
    for pod in pods(objects):
        for container in pod.services:
            for name, paths in {
                "startupProbe": {"/livez"},
                "livenessProbe": {"/livez"},  # never the readiness: a pod that drains or waits for models lives on
                "readinessProbe": {"/readyz", "/v2/health/ready"},
            }.items():
                asked = container[name]["httpGet"]
                (port,) = container["ports"]
                assert asked["path"] in paths
                assert "get" in PATHS[asked["path"]]
                assert asked["port"] in {port.get("name"), port["containerPort"]}


def test_a_slow_start_and_a_starved_machine_restart_no_pod(objects: list[Object]) -> None:
    for pod in pods(objects):
        for container in pod.services:
            start, life = container["startupProbe"], container["livenessProbe"]
            assert start["periodSeconds"] * start["failureThreshold"] >= 5 * MINUTE
            assert life["periodSeconds"] * (life["failureThreshold"] - 1) >= MINUTE
            assert life["timeoutSeconds"] >= 10
    for each in of_kind(objects, "Deployment"):
        for container in each["spec"]["template"]["spec"]["containers"]:
            start = container.get("startupProbe", {"periodSeconds": 0, "failureThreshold": 0})
            assert each["spec"].get("progressDeadlineSeconds", 600) > start["periodSeconds"] * start["failureThreshold"]


def test_a_pod_has_more_time_to_end_than_its_drain_takes(objects: list[Object]) -> None:
    services = of_kind(objects, "InferenceService")
    for pod in pods(objects):
        grace = [each["spec"]["predictor"] for each in services] if is_of_kserve(pod) else [pod.spec]
        for container in pod.services:
            settings = settings_of(pod, container)
            assert settings.drain_delay >= 5  # until every node has heard that the pod is no endpoint any more
            assert "lifecycle" not in container  # the drain delay does it
            for spec in grace:
                assert spec["terminationGracePeriodSeconds"] > settings.drain_delay + settings.drain_timeout + 5


def test_selectors_find_the_pods_that_they_are_for(objects: list[Object]) -> None:
    labels = {pod.owner: pod.labels for pod in pods(objects)}
    for owner, selector in selectors(objects):
        assert [name for name, own in labels.items() if selector.items() <= own.items()] == [owner]
    monitored = [each["spec"]["selector"]["matchLabels"] for each in of_kind(objects, "ServiceMonitor")]
    for selector in monitored:
        (service,) = of_kind(objects, "Service")
        assert selector.items() <= service["metadata"]["labels"].items()


def selectors(objects: list[Object]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the owner of the pods that each selector is for, and its labels."""
    for each in objects:
        name, spec = each["metadata"]["name"], each.get("spec", {})
        if each["kind"] == "Service":
            yield name, spec["selector"]
        if each["kind"] == "PodDisruptionBudget":
            yield name, spec["selector"]["matchLabels"]
        if each["kind"] == "NetworkPolicy":
            yield name, spec["podSelector"]["matchLabels"]
        if each["kind"] == "Deployment":
            yield name, spec["selector"]["matchLabels"]
            for spread in spec["template"]["spec"].get("topologySpreadConstraints", []):
                yield name, spread["labelSelector"]["matchLabels"]


def test_a_service_leads_to_the_port_and_the_name_of_a_container(objects: list[Object]) -> None:
    ports = {port.get("name") for pod in pods(objects) for each in pod.services for port in each["ports"]}
    asked = [port["targetPort"] for each in of_kind(objects, "Service") for port in each["spec"]["ports"]]
    asked += [
        port["port"]
        for each in of_kind(objects, "NetworkPolicy")
        for rule in each["spec"]["ingress"]
        for port in rule["ports"]
    ]
    assert set(asked) <= ports
    for each in of_kind(objects, "ServiceMonitor"):
        (service,) = of_kind(objects, "Service")
        assert {point["port"] for point in each["spec"]["endpoints"]} <= {
            port["name"] for port in service["spec"]["ports"]
        }
        assert {point["path"] for point in each["spec"]["endpoints"]} == {"/metrics"}


def test_an_update_and_a_drain_of_a_node_leave_pods_that_serve(objects: list[Object]) -> None:
    deployments = {each["metadata"]["name"]: each["spec"] for each in of_kind(objects, "Deployment")}
    for each in of_kind(objects, "HorizontalPodAutoscaler"):
        target = deployments[each["spec"]["scaleTargetRef"]["name"]]
        (budget,) = of_kind(objects, "PodDisruptionBudget")
        assert "replicas" not in target  # or each apply would undo the scaling
        assert target["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        assert each["spec"]["minReplicas"] > budget["spec"]["maxUnavailable"]
    for each in of_kind(objects, "InferenceService"):
        assert each["spec"]["predictor"]["minReplicas"] >= 2


def test_the_service_connects_to_nothing(objects: list[Object]) -> None:
    for each in of_kind(objects, "NetworkPolicy"):
        assert each["spec"]["policyTypes"] == ["Ingress", "Egress"]
        assert each["spec"]["egress"] == [] or is_pulling(objects)
        assert {port["port"] for rule in each["spec"]["egress"] for port in rule["ports"]} <= {443, 53}
        assert all(rule["from"] and rule["ports"] for rule in each["spec"]["ingress"])
    if of_kind(objects, "Service"):
        assert of_kind(objects, "NetworkPolicy")


def test_no_secret_is_in_a_manifest(objects: list[Object]) -> None:
    assert of_kind(objects, "Secret") == []
    for path in (REPOSITORY / "deploy" / "kubernetes").rglob("*.yaml"):
        assert not re.search(r"[0-9a-f]{64}|BEGIN [A-Z ]*PRIVATE KEY|_(API|ADMIN)_KEYS=", path.read_text()), path


def test_the_file_of_keys_is_in_a_volume_that_follows_its_secret(objects: list[Object]) -> None:
    for pod, container in containers(objects):
        file = settings_of(pod, container).api_keys_file
        if file is None:
            continue
        (mount,) = (each for each in container["volumeMounts"] if each["mountPath"] == str(file.parent))
        (volume,) = (each for each in pod.spec["volumes"] if each["name"] == mount["name"])
        assert mount["readOnly"] is True
        assert "subPath" not in mount  # which would keep the first content for ever
        assert volume["secret"]["defaultMode"] == 0o440
        assert pod.spec["securityContext"]["fsGroup"] == pod.spec["securityContext"]["runAsGroup"]


def test_the_service_cannot_write_into_the_models(objects: list[Object]) -> None:
    for pod, container in containers(objects):
        folder = settings_of(pod, container).models_dir
        for mount in container.get("volumeMounts", []):
            if container in pod.services and str(folder).startswith(mount["mountPath"]):
                assert mount["readOnly"] is True
                assert str(folder) != mount["mountPath"]  # an empty mount point would retire every version


def test_models_are_pulled_into_the_folder_that_is_served(objects: list[Object]) -> None:
    for pod, container in containers(objects):
        words = container.get("args", [])
        if words[:2] == ["models", "pull"]:
            folder = words[words.index("--models-dir") + 1]
            served = {str(settings_of(pod, each).models_dir) for each in pod.services}
            assert served == {folder}
            assert [each["mountPath"] for each in container["volumeMounts"]] == [folder.removesuffix("/models")]


def test_kserve_finds_the_runtime_for_the_model(objects: list[Object]) -> None:
    for each in of_kind(objects, "InferenceService"):
        model = each["spec"]["predictor"]["model"]
        (runtime,) = of_kind(objects, "ServingRuntime")
        assert model["runtime"] == runtime["metadata"]["name"]
        assert model["modelFormat"]["name"] in {found["name"] for found in runtime["spec"]["supportedModelFormats"]}
        assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]
        assert runtime["spec"]["containers"][0]["name"] == "kserve-container"
        assert each["metadata"]["annotations"] == {"serving.kserve.io/deploymentMode": "Standard"}
        (port,) = runtime["spec"]["containers"][0]["ports"]
        assert runtime["spec"]["annotations"] == {
            "prometheus.kserve.io/path": "/metrics",
            "prometheus.kserve.io/port": str(port["containerPort"]),
        }


def is_pulling(objects: list[Object]) -> bool:
    return any(each.get("args", [])[:2] == ["models", "pull"] for _, each in containers(objects))


def is_of_kserve(pod: Pod) -> bool:
    return "kserve-container" in {each["name"] for each in pod.containers}
