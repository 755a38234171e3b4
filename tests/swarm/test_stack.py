"""The stack of deploy/swarm under load: updates, scaling, and at last the loss of a machine."""

import json
import re
import shutil
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machines import Machine
from tests.support.paths import REPOSITORY
from tests.support.processes import run
from tests.support.swarm import Predictions, Stack, render

PAGE = REPOSITORY / "docs" / "swarm.md"
ANSWERS = 300  # before and after each change


@pytest.fixture(scope="session")
def context(certificate: Path) -> ssl.SSLContext:
    """The certificate is for localhost, and the machines have other names."""
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    return context


@pytest.fixture
def load(stack: Stack, context: ssl.SSLContext) -> Iterator[Predictions]:
    with Predictions(stack.manager, context) as load:
        load.wait_for(ANSWERS)
        yield load


def finish(load: Predictions, begin: float, change: str) -> dict[str, int]:
    """Return the failures once the change is over and more requests are answered."""
    seconds = time.monotonic() - begin
    load.wait_for(ANSWERS)
    text = f"{change}: {seconds:.0f} s, {load.answered} answers, by version {dict(load.versions)}, the longest after "
    print(f"{text}{load.longest:.2f} s; failed: {load.failures or 'none'}")  # noqa: T201 - pytest -s shows the figures
    return load.failures


def test_the_replicas_are_on_different_machines_and_without_rights(stack: Stack, machines: list[Machine]) -> None:
    assert len(set(stack.running_on())) == 2
    for machine in machines:
        for container in machine.docker("ps", "--quiet").split():
            status = machine.docker("exec", container, "cat", "/proc/1/status")
            assert "\nNoNewPrivs:\t1\n" in status
            assert "\nCapEff:\t0000000000000000\n" in status
            assert "\nUid:\t0\t" not in status


def test_without_a_certificate_nothing_is_printed(tmp_path: Path) -> None:
    rendered = render(EDGE_CERTIFICATES=str(tmp_path))

    assert (rendered.returncode, rendered.stdout) == (1, "")
    reason = f"cannot read {tmp_path}/edge.pem; docs/operations.md (An edge) says how to make it"
    assert rendered.stderr == f"render: {reason}\n"


def test_the_variables_may_stand_in_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "a: copy"
    shutil.copytree(REPOSITORY / "deploy", folder / "deploy")
    shutil.copy(REPOSITORY / "docker-compose.yml", folder)
    (folder / "own keys").mkdir()
    (folder / "own keys" / "edge.pem").write_text("a certificate")
    (folder / ".env").write_text("EDGE_CERTIFICATES=own keys\nCOMPOSE_PROJECT_NAME=other\n")

    rendered = run(["deploy/swarm/render"], cwd=folder)

    assert rendered.returncode == 0, rendered.stderr
    assert re.search(r"^    name: other-certificate-[0-9a-f]{12}$", rendered.stdout, re.MULTILINE)
    assert f"    file: '{folder}/own keys/edge.pem'\n" in rendered.stdout
    assert "    name: other_default\n" in rendered.stdout


def test_a_second_stack_has_models_in_the_shared_volume_of_the_page(
    stack: Stack, images: dict[str, str], tmp_path: Path
) -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "models.yml").write_text(block)

    stack.deploy(images["1"], "-f", str(tmp_path / "models.yml"), replicas=0, name="other", EDGE_PORT="8444")
    service = json.loads(stack.manager.docker("service", "inspect", "other_softmaxd"))[0]
    stack.manager.docker("stack", "rm", "other")

    (mount,) = service["Spec"]["TaskTemplate"]["ContainerSpec"]["Mounts"]
    assert (mount["Source"], mount["Target"], mount["ReadOnly"]) == ("other_models", "/srv/models", True)
    assert mount["VolumeOptions"]["DriverConfig"]["Options"]["type"] == "nfs"


def test_an_update_to_a_new_version_of_the_model_fails_no_request(
    stack: Stack, images: dict[str, str], load: Predictions
) -> None:
    assert set(load.versions) == {"1"}

    begin = time.monotonic()
    stack.deploy(images["2"], replicas=2)
    fewest = stack.wait_for_update("completed")
    stack.wait_for_replicas(2, stack.manager)

    assert finish(load, begin, "update") == {}
    assert (fewest, stack.images()) == (2, {images["2"]})
    load.versions.clear()
    load.wait_for(ANSWERS)
    assert set(load.versions) == {"2"}


def test_an_update_to_an_image_that_never_gets_ready_rolls_back_by_itself(
    stack: Stack, images: dict[str, str], load: Predictions
) -> None:
    before = stack.images()

    begin = time.monotonic()
    stack.deploy(images["never"], replicas=2)
    fewest = stack.wait_for_update("rollback_completed")
    stack.wait_for_replicas(2, stack.manager)

    assert finish(load, begin, "rollback") == {}
    assert (fewest, stack.images()) == (2, before)
    assert len(load.versions) == 1


def test_four_replicas_instead_of_two_all_get_requests(stack: Stack, load: Predictions) -> None:
    assert len(stack.running_on()) == 2

    begin = time.monotonic()
    stack.scale(4)

    before = stack.answered(stack.manager)
    assert finish(load, begin, "scale") == {}
    after = stack.answered(stack.manager)
    assert sum(after[name] > before[name] for name in after) == 4


def test_a_machine_that_is_lost_fails_no_request_and_its_replicas_come_back_on_the_others(
    stack: Stack, machines: list[Machine], load: Predictions
) -> None:
    stack.scale(4)
    lost = machines[0]  # which leads the swarm
    on_it = stack.running_on().count(lost.name)
    assert on_it

    begin = time.monotonic()
    lost.lose()
    stack.wait(lambda: lost.name not in stack.running_on())
    stack.wait_for_replicas(4, stack.manager)

    assert finish(load, begin, f"loss of {on_it} replicas") == {}
    assert set(stack.running_on()) == {machine.name for machine in machines[1:]}
