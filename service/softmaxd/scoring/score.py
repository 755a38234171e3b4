"""Scores the rows of a file, some at a time: read, decode, run, write."""

import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson

from softmaxd.errors import CannotRun, InvalidBody, ModelError, OutputNotFinite, Refused
from softmaxd.models.calibration import DEFAULT_COVERAGE_BY
from softmaxd.models.folders import look_first
from softmaxd.models.hidden import new_name
from softmaxd.models.inputs import read_json
from softmaxd.models.loading import load
from softmaxd.models.manifest import Manifest
from softmaxd.models.model import Model
from softmaxd.models.outputs import Features
from softmaxd.models.vocabularies import unknown_counts
from softmaxd.numerics.trust import DEFAULT_COVERAGE
from softmaxd.os_errors import naming
from softmaxd.protocols.native.codec import PredictJob, check_calibration, decode_predict
from softmaxd.protocols.native.schemas import PREDICT_TABLE
from softmaxd.scoring.answers import header_of, lines_of
from softmaxd.settings import Settings
from softmaxd.tables.columns import columns_of
from softmaxd.tables.decoding import decode_rows
from softmaxd.tables.reading import read_rows
from softmaxd.tables.rows import Rows, quoted

MOST_ROWS = 8192  # at a time
MOST_NUMBERS = 1_000_000  # of outputs at a time

Tell = Callable[[int, int], None]  # takes the rows and the bytes of the file that are done


@dataclass(frozen=True, slots=True)
class Choice:
    """The fields of `/predict` that answers should have, and how a file is read.

    With `keep` other columns are passed through; `missing` are texts that stand for a missing value.
    """

    include: Sequence[str] = ()
    coverage: float | None = None
    coverage_by: str | None = None
    keep: bool = False
    missing: Sequence[str] = ()

    @property
    def options(self) -> bytes:
        """The fields as JSON, each after a comma."""
        fields = {"include": self.include or None, "coverage": self.coverage, "coverage_by": self.coverage_by}
        return b"".join(b',"%s":%s' % (name.encode(), orjson.dumps(value)) for name, value in fields.items() if value)


def find_model(settings: Settings, name: str) -> Model:
    """Return the version that a service would answer with for `blobs`, or exactly this one for `blobs/1`.

    Raises `ModelError` with the reason of each version that cannot be served, or `StartupError`.
    """
    found = look_first(settings.models_dir)
    model, _, version = name.partition("/")
    reasons = [f"there is no model {name} in {settings.models_dir}"]
    for number in found.versions_of(model):
        if version in {"", str(number)}:
            try:
                return load(found.folders[model, number][0], settings)
            except ModelError as error:
                reasons.append(f"version {number}: {error}")
    raise ModelError("; ".join(reasons[1:] or reasons))


def not_guaranteed(manifest: Manifest, choice: Choice) -> Sequence[str]:
    """Return the labels that have too few calibration rows for the coverage among their rows, as `/predict` does."""
    calibration = manifest.calibration
    is_asked = choice.coverage_by == "class" and "prediction_sets" in choice.include
    if not is_asked or calibration is None or calibration.by_label is None:
        return ()
    _, indices = calibration.thresholds(choice.coverage or DEFAULT_COVERAGE, "class")
    return [manifest.labels[index] for index in indices]


def score(file: Path, model: Model, choice: Choice, output: BinaryIO, tell: Tell) -> tuple[int, Mapping[str, int]]:
    """Write an answer to each row of a CSV or Parquet file, after a header.

    Return how many rows it has, and in how many of them a feature has an unknown text, by its name. Raises `Refused`
    with the line of the first row that cannot be answered.
    """
    manifest = model.manifest
    labels = [quoted(label.encode()) for label in manifest.labels]
    size = max(1, min(MOST_ROWS, MOST_NUMBERS // (len(labels) * (1 + len(choice.include)))))
    count, unknown = 0, Counter[str]()
    _check_options(choice, manifest)
    with file.open("rb") as source:
        header, found = read_rows(source)
        columns = columns_of(header, manifest, keep=choice.keep)
        output.write(_header(columns.kept_names, manifest, choice.include))
        for rows in _naming(found, file):
            for start in range(0, len(rows), size):
                features, kept = columns.choose(rows[start : start + size])
                job = _decode(features, manifest, choice)
                unknown.update(unknown_counts(job.features, manifest.vocabularies))
                output.write(_answer(features, kept, model, job, labels))
            count += len(rows)
            tell(count, source.tell() if source.seekable() else 0)
    return count, unknown


def _check_options(choice: Choice, manifest: Manifest) -> None:
    """Raise `Refused` for an option that `/predict` would refuse, before a row is read."""
    try:
        request = read_json(PREDICT_TABLE, b'{"instances":[[0]]%s}' % choice.options)
        check_calibration(request.get("include", ()), request.get("coverage_by", DEFAULT_COVERAGE_BY), manifest)
    except InvalidBody as error:
        problem = error.problems[0]
        raise Refused(f"--{str(problem['loc'][0]).replace('_', '-')}: {problem['msg']}") from error


def _naming(found: Iterator[Rows], file: Path) -> Iterator[Rows]:
    """Yield the same rows; an error of reading them names the file."""
    with naming(file):
        yield from found


def _header(kept: list[str], manifest: Manifest, include: Sequence[str]) -> bytes:
    """Return the first line. Raises `Refused` if a column would be there twice."""
    names = header_of(manifest, include)
    twice = next((name for name in kept if name in names), None)
    if twice is not None:
        raise Refused(f"its column {twice} has the name of a column of the answer: rename it, or leave out --keep")
    return b",".join([quoted(name.encode()) for name in (*kept, *names)]) + b"\n"


def _decode(found: Rows, manifest: Manifest, choice: Choice) -> PredictJob:
    def decode(instances: bytes, rows: int) -> PredictJob:
        return decode_predict(b'{"instances":%s%s}' % (instances, choice.options), manifest, max_rows=rows)

    return decode_rows(found, manifest, decode, choice.missing)


def _answer(found: Rows, kept: Sequence[bytes] | None, model: Model, job: PredictJob, labels: Sequence[bytes]) -> bytes:
    assert job.features is not None
    step = len(found) if model.is_rowwise else 1  # each row as a request of its own
    lines = []
    for start in range(0, len(found), step):
        part = slice(start, start + step)
        try:
            outputs = model.run(job.features[part])
            lines.append(lines_of(outputs, job, kept and kept[part], labels))
        except OutputNotFinite as error:
            place = found.place(start + error.row)
            raise Refused(f"{place}: the model's output for these numbers is not finite") from error
        except CannotRun as error:
            place = found.place(start + _first_that_fails(model, job.features[part]))
            raise Refused(f"{place}: {error.detail}") from error
    return b"".join(lines)


def _first_that_fails(model: Model, features: Features) -> int:
    """Return the index of the first row that the model cannot run, by halving."""
    start, stop = 0, len(features)
    while stop - start > 1:
        middle = (start + stop) // 2
        try:
            model.run(features[start:middle])
            start = middle
        except CannotRun:
            stop = middle
    return start


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write, which has the name `path` once it is complete. Raises `OSError`, which names `path`.

    A link is followed, and the new file has the mode of the one that it replaces. A device or a pipe is written as it
    is.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    target = path.resolve()
    unfinished = target.with_name(new_name(f".{target.name}-"))
    try:
        with unfinished.open("wb") as file:
            yield file
        if target.exists():
            unfinished.chmod(stat.S_IMODE(target.stat().st_mode))
        unfinished.replace(target)
    except OSError as error:
        if error.filename == str(unfinished):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with suppress(OSError):  # it is not there
            unfinished.unlink()
