"""What is installed is what was locked: one version of each package, with its hashes, also in the image."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

LOCKS = sorted((REPOSITORY / "requirements").glob("*.txt"))
DOCKERFILE, MAKEFILE = ((REPOSITORY / name).read_text() for name in ("Dockerfile", "Makefile"))


def requirements(lock: Path) -> list[str]:
    """Return the requirements of a lock, each on one line with its hashes."""
    return lock.read_text().replace("\\\n", "").splitlines()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_locked_package_has_one_version_and_hashes(lock: Path) -> None:
    locked = requirements(lock)
    pattern = r"[a-z0-9.-]+(\[[a-z0-9,-]+\])?==[0-9][^ ;]*( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+ *"

    assert locked
    assert [line for line in locked if not re.fullmatch(pattern, line)] == []


def test_the_locks_agree() -> None:
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, marker, version in re.findall(
            r"^([a-z0-9.-]+)[^=]*==([^ ]+)( ; .+?)? \\$", lock.read_text(), re.MULTILINE
        ):
            versions.setdefault(f"{name}{version}", set()).add(marker)

    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_the_lock_for_gpus_is_that_of_the_service_with_another_onnx_runtime() -> None:
    serve, gpu = (
        {line.split()[0] for line in requirements(REPOSITORY / "requirements" / f"{name}.txt")}
        for name in ("serve", "serve-gpu")
    )

    assert {name.split("==")[0] for name in serve - gpu} == {"onnxruntime"}
    assert {name.split("==")[0].split("-")[0] for name in gpu - serve} == {"onnxruntime", "nvidia"}


@pytest.mark.parametrize(("name", "package"), [("otel", "opentelemetry-exporter-otlp-proto-http"), ("storage", "s3fs")])
def test_an_image_with_an_extra_has_all_that_the_service_needs(name: str, package: str) -> None:
    serve, more = (
        {line.split()[0] for line in requirements(REPOSITORY / "requirements" / f"{lock}.txt")}
        for lock in ("serve", name)
    )

    assert serve < more
    assert package in {line.split("==")[0] for line in more}
    assert re.search(rf"^# The lock that the image has: .*\b{name}\b", DOCKERFILE, re.MULTILINE)


def test_nothing_is_installed_without_hashes() -> None:
    installs = re.findall(
        r"\b(?:pip|PIP)\S* .*install (.*(?:\\\n.*)*)", (DOCKERFILE + MAKEFILE).replace("$(PIP)", "PIP x")
    )

    assert len(installs) >= 5
    assert [line for line in installs if "--require-hashes" not in line and "--no-index" not in line] == []


def test_both_stages_of_the_image_have_the_base_that_is_given() -> None:
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)

    assert stages == ["${BASE}", "${BASE}"]


def test_the_image_tells_the_version_of_the_package() -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]

    assert f'org.opencontainers.image.version="{version}"' in DOCKERFILE
