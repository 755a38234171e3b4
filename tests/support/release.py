"""Builds the sdist and the wheel and checks them: `make release-check` prints one line for each check."""

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from packaging.metadata import Metadata
from packaging.version import Version

from tests.support.paths import REPOSITORY

PACKAGES = {"softmaxd", "softmaxd_training"}
EXTRAS = {"add", "client", "excel", "otel", "storage", "test", "train"}
SOURCES = ("service", "training", "LICENSE", "README.md", "pyproject.toml")  # all that building needs
MADE = ("PKG-INFO", "setup.cfg", "softmaxd.egg-info")  # by setuptools
MOST_SDIST_BYTES = 2**20


@dataclass(frozen=True)
class Release:
    """An sdist and a wheel, and the version that the changelog tells of."""

    sdist: Path
    wheel: Path
    changelog: str

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """The files of the wheel, by name."""
        with zipfile.ZipFile(self.wheel) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    @cached_property
    def sources(self) -> set[str]:
        """The names of the files of the sdist, below its folder."""
        with tarfile.open(self.sdist) as archive:
            return {str(PurePosixPath(*PurePosixPath(entry.name).parts[1:])) for entry in archive if entry.isfile()}

    @cached_property
    def metadata(self) -> Metadata:
        """The metadata of the wheel. Raises `ExceptionGroup` if a field is invalid."""
        return Metadata.from_email(self._info("METADATA"), validate=True)

    def _info(self, name: str) -> bytes:
        return next(content for file, content in self.files.items() if file.endswith(f".dist-info/{name}"))

    def top_level(self) -> set[str]:
        """Return the names that can be imported once the wheel is installed."""
        names = {PurePosixPath(file).parts[0] for file in self.files}
        return {name.removesuffix(".py") for name in names if not name.endswith(".dist-info")}


def build(folder: Path) -> Release:
    """Build a copy of the sources, so that no earlier build gets into the archives."""
    copy = folder / "sources"
    for name in SOURCES:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, copy / name)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"building failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    (sdist,), (wheel,) = (folder / "dist").glob("*.tar.gz"), (folder / "dist").glob("*.whl")
    return Release(sdist, wheel, (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"))


def newest(changelog: str) -> str:
    """Return the version of the first dated section: `## [0.2.0] - 2026-11-26`."""
    found = re.search(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$", changelog, re.MULTILINE)
    return found[1] if found else "none"


def check_names(release: Release) -> None:
    assert release.top_level() == PACKAGES, f"the wheel installs {sorted(release.top_level())}"
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(release.files), "a package has no py.typed"


def check_content(release: Release) -> None:
    foreign = {name for name in release.sources if PurePosixPath(name).parts[0] not in {*SOURCES, *MADE}}
    assert not foreign, f"the sdist has {sorted(foreign)}"
    built = {name for name in release.files if ".dist-info/" not in name}
    missing = {name for name in built if not {f"service/{name}", f"training/{name}"} & release.sources}
    assert not missing, f"the sdist lacks {sorted(missing)}"
    assert release.sdist.stat().st_size < MOST_SDIST_BYTES, "the sdist is large"
    assert any(name.endswith("LICENSE") for name in release.files), "the wheel has no licence"


def check_metadata(release: Release) -> None:
    metadata = release.metadata
    assert metadata.name == "softmaxd"
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description, "there is no long description"
    assert str(metadata.requires_python) == ">=3.11"
    assert metadata.license_expression == "Apache-2.0"
    assert set(metadata.provides_extra or ()) == EXTRAS
    serving = {str(requirement) for requirement in metadata.requires_dist or () if requirement.marker is None}
    assert not {name for name in serving if name.startswith(("tensorflow", "keras", "onnx>", "onnx="))}


def check_version(release: Release) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert release.metadata.version == Version(project["version"])
    told = newest(release.changelog)
    assert told == project["version"], f"CHANGELOG.md tells of {told} last, pyproject.toml says {project['version']}"


CHECKS: Mapping[str, Callable[[Release], None]] = {
    "the wheel installs softmaxd and softmaxd_training, typed, and nothing else": check_names,
    "the sdist has all sources of the wheel, and nothing else": check_content,
    "the metadata are valid": check_metadata,
    "CHANGELOG.md and pyproject.toml name the same version": check_version,
}


def problems(release: Release) -> Iterator[str]:
    """Print one line for each check, and yield the text of each that fails."""
    for text, check in CHECKS.items():
        try:
            check(release)
            print(f"ok      {text}")
        except (AssertionError, ExceptionGroup) as error:
            print(f"FAILED  {text}: {error}")
            yield text


def main() -> int:
    """Build and check; return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        release = build(Path(folder))
        print(f"built   {release.sdist.name} and {release.wheel.name}")
        return 1 if list(problems(release)) else 0


if __name__ == "__main__":
    sys.exit(main())
