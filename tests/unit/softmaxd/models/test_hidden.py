"""Hidden names are nobody else's, and leftovers of killed runs go once they are old."""

import os
from pathlib import Path

import pytest

from softmaxd.models import hidden
from softmaxd.models.hidden import PINNED, REMOVED, UNFINISHED, new_name, remove_leftovers


def test_two_names_of_one_process_differ() -> None:
    assert len({new_name(UNFINISHED) for _ in range(100)}) == 100


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder of models with leftovers of each kind and with other files, and a link that leads elsewhere."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "model.onnx").touch()
    for name in ("1", f"{UNFINISHED}2-1", f"{REMOVED}1-1", ".notes"):
        (tmp_path / "models" / "linear" / name).mkdir(parents=True)
        (tmp_path / "models" / "linear" / name / "model.onnx").touch()
    (tmp_path / "models" / "linear" / f"{PINNED}1").touch()
    (tmp_path / "models" / "other").mkdir()
    (tmp_path / "models" / "other" / f"{REMOVED}2-1").symlink_to(tmp_path / "elsewhere")
    return tmp_path / "models"


def test_old_leftovers_are_removed_from_all_models(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hidden, "OLD", -60.0)

    remove_leftovers(models)

    assert sorted(path.name for path in (models / "linear").iterdir()) == [".notes", "1"]
    assert list((models / "other").iterdir()) == []
    assert (models.parent / "elsewhere" / "model.onnx").exists()


def test_leftovers_of_today_stay_as_a_run_on_another_host_may_write_them(models: Path) -> None:
    renamed = models / "linear" / new_name(REMOVED)
    os.utime(models / "linear" / "1", (0, 0))  # a version that is years old, and is being removed now
    (models / "linear" / "1").rename(renamed)
    before = sorted(models.glob("*/.*"))

    remove_leftovers(models)

    assert sorted(models.glob("*/.*")) == before
    assert (renamed / "model.onnx").exists()


def test_a_leftover_that_cannot_be_removed_does_not_stop_the_others(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hidden, "OLD", -60.0)
    mount = models / "linear" / f"{UNFINISHED}2-1"
    real = hidden.remove

    def remove(path: Path) -> None:
        if path == mount:
            raise OSError(16, "Device or resource busy")
        real(path)

    monkeypatch.setattr(hidden, "remove", remove)

    remove_leftovers(models)

    assert sorted(path.name for path in (models / "linear").iterdir()) == [".notes", mount.name, "1"]
