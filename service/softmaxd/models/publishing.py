"""Publishes and removes versions of models: all of their files, or none of them."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from softmaxd.errors import Refused
from softmaxd.models.hidden import REMOVED, UNFINISHED, new_name, remove, remove_leftovers
from softmaxd.models.manifest import MANIFEST_FILE, Manifest
from softmaxd.models.places import refuse_single
from softmaxd.os_errors import naming

CARD_FILE = "card.md"


@contextmanager
def next_version(folder: Path) -> Iterator[tuple[Path, int]]:
    """Give an empty folder to write the next version of a model into, and the number of that version.

    After the block the folder is renamed to `folder`/<number>. On any exception, Ctrl-C included, it is removed
    instead, and so is a `folder` that was made for it. Until then its name starts with a dot, so that no reader takes
    it for a version. Leftovers of killed runs are removed first.

    Raises `Refused` when that version has come into being in the meantime: nothing is ever overwritten; `Refused` also
    for the folder of one model or version in the place of a folder of models.
    """
    number = 1 + max((int(path.name) for path in folder.glob("*") if path.name.isdecimal()), default=0)
    with _unfinished(folder) as unfinished:
        with naming(folder / str(number)):
            yield unfinished, number
        _rename(unfinished, folder / str(number))


@contextmanager
def version_of(models_dir: Path, name: str, version: int, prefix: str) -> Iterator[Path]:
    """Give an empty folder NAME/VERSION to write this version of a model into, and to try it as the service does.

    After the block it is published, or not, as by `next_version`. Until then it is in a folder whose name begins with
    `prefix`.
    """
    published = models_dir / name / str(version)
    with _unfinished(published.parent, prefix) as unfinished:
        folder = unfinished / name / str(version)
        folder.mkdir(parents=True)
        with naming(published):
            yield folder
        _rename(folder, published)
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def _unfinished(folder: Path, prefix: str = UNFINISHED) -> Iterator[Path]:
    """Give a new hidden folder in the folder of a model. On any exception it is removed, and a new `folder`, too."""
    refuse_single(folder.parent)
    remove_leftovers(folder.parent)
    is_new = not folder.exists()
    unfinished = folder / new_name(prefix)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished.mkdir()
        yield unfinished
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        if is_new:
            with suppress(OSError):  # it does not exist, or another run has published into it
                folder.rmdir()
        raise


def describe(folder: Path, manifest: Manifest, card: str) -> None:
    """Write the manifest and the card of a model beside it."""
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / CARD_FILE).write_text(card, encoding="utf-8")


def remove_version(folder: Path) -> None:
    """Remove a version's folder, and the folder of a model without any. No reader sees half of it. Raises `OSError`."""
    remove_leftovers(folder.parent.parent)
    removed = folder.with_name(new_name(REMOVED))
    folder.rename(removed)
    remove(removed)
    with suppress(OSError):  # it has other versions
        folder.parent.rmdir()


def copy_version(source: Path, manifest: Manifest, model_folder: Path) -> Path:
    """Publish a version's files as the next version in the folder of a model, and return its folder.

    `manifest` is the source's. Raises `Refused` or `OSError`.
    """
    note = f"copied from {manifest.name} version {manifest.version}"
    with next_version(model_folder) as (folder, number):
        for path in source.iterdir():
            if path.is_file() and not path.name.startswith("."):
                shutil.copyfile(path, folder / path.name)
        changes = {"name": model_folder.name, "version": number, "notes": (*manifest.notes, note)}
        describe(folder, manifest.model_copy(update=changes), _card_of_copy(source / CARD_FILE, changes, note))
    return model_folder / str(number)


def _card_of_copy(card: Path, changes: Mapping[str, object], note: str) -> str:
    """Return the card of a copy: that of its source, if it has one, with another heading and the note."""
    text = card.read_text(encoding="utf-8") if card.exists() else ""
    body = text.partition("\n")[2] if text.startswith("# ") else text
    return f"# {changes['name']}, version {changes['version']}\n\n- {note}\n{body}"


def _rename(source: Path, target: Path) -> None:
    try:
        source.rename(target)  # POSIX refuses if the target is a folder that is not empty
    except OSError as error:
        if target.exists():
            raise Refused(f"version {target.name} has been published by another run in the meantime") from error
        raise
