"""`make release-check` passes, and fails when something is wrong with a release."""

from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.release import Release, newest, problems


def changed(release: Release, folder: Path, files: dict[str, str]) -> Release:
    """Return a release whose wheel has these files, too."""
    wheel = folder / release.wheel.name
    with ZipFile(wheel, "w") as archive:
        for name, content in {**release.files, **{name: text.encode() for name, text in files.items()}}.items():
            archive.writestr(name, content)
    return replace(release, wheel=wheel)


def test_the_release_is_as_it_should_be(release: Release) -> None:
    assert list(problems(release)) == []


def test_another_top_level_name_is_found(release: Release, tmp_path: Path) -> None:
    wrong = changed(release, tmp_path, {"service/__init__.py": ""})

    assert "the wheel installs softmaxd and softmaxd_training, typed, and nothing else" in problems(wrong)


def test_a_source_that_the_sdist_lacks_is_found(release: Release, tmp_path: Path) -> None:
    wrong = changed(release, tmp_path, {"softmaxd/more.py": ""})

    assert list(problems(wrong)) == ["the sdist has all sources of the wheel, and nothing else"]


def test_metadata_that_are_not_valid_are_found(release: Release, tmp_path: Path) -> None:
    name = next(file for file in release.files if file.endswith("METADATA"))
    text = release.files[name].decode().replace("Requires-Python: >=3.11", "Requires-Python: about 3.11")

    assert "the metadata are valid" in problems(changed(release, tmp_path, {name: text}))


def test_a_changelog_of_another_version_is_found(release: Release) -> None:
    wrong = replace(release, changelog="## [9.9.9] - 2026-01-01\n\n" + release.changelog)

    assert list(problems(wrong)) == ["CHANGELOG.md and pyproject.toml name the same version"]


@pytest.mark.parametrize(
    ("changelog", "version"),
    [
        ("## [Unreleased]\n\n## [1.2.0] - 2026-11-26\n\n## [1.1.0] - 2026-01-01\n", "1.2.0"),
        ("## [Unreleased]\n", "none"),
        ("## 1.2.0\n", "none"),
    ],
)
def test_the_newest_version_is_the_first_with_a_date(changelog: str, version: str) -> None:
    assert newest(changelog) == version
