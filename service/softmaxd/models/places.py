"""Where the versions of a models folder lie: `<name>/<version>/`, or less if the folder is one model or one version.

KServe puts the content of a `storageUri` right into `/mnt/models`, whether that is a folder of models, the folder of
one model (`<version>/`) or that of one version. The manifests of the last two have the name.
"""

from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, PositiveInt, ValidationError

from softmaxd.errors import ModelError, Refused
from softmaxd.models.files import read_regular
from softmaxd.models.manifest import MANIFEST_FILE, MAX_MANIFEST_BYTES, MODEL_FILE, Key, Name
from softmaxd.models.pins import is_version


class _Identity(BaseModel):
    """The part of a manifest that names its model."""

    name: Name
    version: PositiveInt


def single_version(models_dir: Path) -> Key | None:
    """Return name and version if a models folder is the folder of one version. Raises `ModelError` or `OSError`."""
    if not _has_version(models_dir):
        return None
    identity = _read(models_dir)
    return identity.name, identity.version


def single_model(models_dir: Path) -> str | None:
    """Return the name if a models folder is the folder of one model: that in the manifest of its highest version.

    Raises `ModelError` or `OSError`.
    """
    numbers = [int(path.name) for path in models_dir.iterdir() if is_version(path.name) and _has_version(path)]
    return _read(models_dir / str(max(numbers))).name if numbers else None


def refuse_single(models_dir: Path) -> None:
    """Refuse to write into the folder of one model or version as into a folder of models. Raises `Refused`."""
    with suppress(ModelError, OSError):  # nothing is known; the next step says why
        if _has_version(models_dir) or single_model(models_dir) is not None:
            raise Refused(f"{models_dir} is the folder of a single model: give the folder of models above it")


def key_by_place(folder: Path, models_dir: Path | None) -> tuple[str, str] | None:
    """Return the name and the version that the manifest of a version folder has to have; None for any.

    Raises `ModelError` or `OSError`.
    """
    if folder == models_dir:
        return None
    name = single_model(models_dir) if folder.parent == models_dir else folder.parent.name
    return None if name is None else (name, folder.name)


def find_folder(models_dir: Path, key: Key) -> Path:
    """Return the folder of a version, whether it is there or not. Raises `OSError`."""
    name, version = key[0], str(key[1])
    places = (models_dir / name / version, models_dir / version, models_dir)
    return next((place for place in places if _has_version(place)), places[0])


def _has_version(folder: Path) -> bool:
    return (folder / MANIFEST_FILE).is_file() and (folder / MODEL_FILE).exists()  # a model may have these names


def _read(folder: Path) -> _Identity:
    status = (folder / MANIFEST_FILE).stat()
    return _parsed(folder / MANIFEST_FILE, (status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=8)
def _parsed(manifest: Path, _stamp: tuple[int, int, int]) -> _Identity:
    """Read name and version once for each stamp: the folder is looked at every second."""
    try:
        return _Identity.model_validate_json(read_regular(manifest, max_bytes=MAX_MANIFEST_BYTES))
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise ModelError(f"{MANIFEST_FILE}: {place}: {problem['msg']}") from error
