"""The content of the image."""

import re
from importlib.metadata import version
from pathlib import PurePath

from tests.support.docker import attempt, docker, inspect
from tests.support.paths import REPOSITORY

MAX_ADDED_BYTES = 220_000_000
HEALTH_CHECK = "/usr/local/bin/softmaxd-healthcheck"
MINUTE = 60 * 10**9  # nanoseconds
COMPILERS = ["cc", "c++", "gcc", "g++", "cc1", "gcc-[0-9]*", "g++-[0-9]*", "clang*", "tcc", "rustc", "as", "ld", "make"]
CACHES = [".cache", "http-v2", "*.deb"]
NOT_FOR_SERVING = ["pip", "setuptools", "tensorflow", "keras", "matplotlib", "pytest"]


def base_image() -> str:
    """Return the image that the Dockerfile's last stage begins with."""
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE))
    return str(arguments["BASE"]).replace("${PYTHON_VERSION}", arguments["PYTHON_VERSION"])


def size(image: str) -> int:
    """Return the bytes of an image; an engine may build on one that it does not keep by name."""
    if attempt("image", "inspect", image).returncode != 0:
        docker("pull", "--quiet", image)
    return int(inspect("image", "inspect", image)["Size"])


def find(image: str, folder: str, names: list[str], *tests: str) -> list[str]:
    """Return the paths below a folder of the image that have one of these names, which may be patterns."""
    named = " -o ".join(f"-name {name}" for name in names).split()
    run = ["run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "find", image]
    return docker(*run, folder, "-xdev", *tests, "(", *named, ")").splitlines()


def test_it_adds_less_than_220_mb_to_its_base(image: str) -> None:
    assert 0 < size(image) - size(base_image()) < MAX_ADDED_BYTES


def test_its_labels_say_its_version_its_license_and_its_base(image: str) -> None:
    labels = inspect("image", "inspect", image)["Config"]["Labels"]
    told = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}

    assert (told["title"], told["version"], told["licenses"]) == ("softmaxd", version("softmaxd"), "Apache-2.0")
    assert told["base.name"] == base_image()


def test_its_user_is_a_number_and_not_root(image: str) -> None:
    user = inspect("image", "inspect", image)["Config"]["User"]

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


def test_it_has_no_compiler(image: str) -> None:
    assert find(image, "/", COMPILERS, "-not", "-type", "d", "-perm", "/111") == []


def test_it_has_no_cache(image: str) -> None:
    assert find(image, "/", CACHES) == []


def test_it_has_nothing_that_serving_does_not_need(image: str) -> None:
    assert find(image, "/opt/softmaxd", NOT_FOR_SERVING) == []


def test_all_modules_of_the_command_are_compiled(image: str) -> None:
    command = ["run", "--rm", "--network", "none", "--entrypoint", "python", image]

    imports = attempt(*command, "-v", "/opt/softmaxd/bin/softmaxd", "health").stderr

    sources = re.findall(r"^# code object from '?(\S+?)'?$", imports, re.MULTILINE)
    assert len(sources) > 100
    assert [path for path in sources if not path.endswith(".pyc")] == []


def test_sigterm_reaches_the_service_itself(image: str) -> None:
    config = inspect("image", "inspect", image)["Config"]

    assert (config["Entrypoint"], config["Cmd"], config["StopSignal"]) == (["softmaxd"], ["serve"], "SIGTERM")


def test_its_health_check_starts_no_python(image: str) -> None:
    script = attempt("run", "--rm", "--network", "none", "--entrypoint", "cat", image, HEALTH_CHECK).stdout

    assert inspect("image", "inspect", image)["Config"]["Healthcheck"]["Test"] == ["CMD", PurePath(HEALTH_CHECK).name]
    assert script == (REPOSITORY / "deploy" / "docker" / PurePath(HEALTH_CHECK).name).read_text()
    assert script.startswith("#!/bin/bash\n")


def test_its_health_check_tolerates_a_minute_without_an_answer(image: str) -> None:
    check = inspect("image", "inspect", image)["Config"]["Healthcheck"]

    assert check["Retries"] * check["Timeout"] > MINUTE
    assert check["StartPeriod"] >= MINUTE
