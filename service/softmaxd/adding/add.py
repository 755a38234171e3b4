"""Turns an ONNX classifier into a model that can be served, and publishes it as the next version."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from softmaxd.adding import graphs
from softmaxd.adding.comparison import compare
from softmaxd.adding.features import check_unique
from softmaxd.adding.graphs import Graph
from softmaxd.adding.inputs import check_inputs, fitting
from softmaxd.adding.inspection import Findings, convert, inspect
from softmaxd.adding.labels import choose_labels
from softmaxd.errors import Refused
from softmaxd.models.features import INPUT
from softmaxd.models.files import sha256
from softmaxd.models.manifest import MODEL_FILE, Manifest
from softmaxd.models.onnxfile import check_size
from softmaxd.models.publishing import describe, next_version

RULES = {
    "name": "--name should be 1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or a digit",
    "labels": "a label should have 1 to 200 characters, without colons and control characters: choose with --labels",
}

CARD = """\
# {name}, version {version}

Added with `softmaxd models add`. Its training, accuracy and calibration are unknown.

| | |
| --- | --- |
| Input | {inputs} |
| Output | `logits` and `probabilities`, float32 `[n, {classes}]`: {labels} |
| `model.onnx` | SHA-256 `{sha256}` |

{notes}
"""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model that can be published: its graph, the manifest of its first version, and the findings on its file."""

    content: bytes
    manifest: Manifest
    findings: Findings

    def noting(self, note: str) -> "Prepared":
        """Return the model with one note more."""
        return replace(self, manifest=self.manifest.model_copy(update={"notes": (*self.manifest.notes, note)}))


def add_model(file: Path, models_dir: Path, **options: Any) -> tuple[Path, Manifest]:
    """Publish an ONNX classifier as the next version of a model. The `options` are those of `prepare`."""
    return publish(prepare(file, **options), models_dir)


def prepare(file: Path, *, pack: bool = False, **options: Any) -> Prepared:
    """Return an ONNX classifier as it can be published. The other `options` are those of `prepare_graph`.

    With `pack` its weights may be in other files of its folder, and the version has them in one file. Raises `Refused`
    if the file is no classifier that can be served, `ModelError` if it is too large.
    """
    check_size(file)
    try:
        model = graphs.read(file.read_bytes(), weights=file.parent if pack else None)
        made = f"made from {file.name}, by {graphs.exporter(model) or 'an unknown exporter'}, SHA-256 {sha256(file)}"
        return prepare_graph(model, made, **options)
    except Refused as error:
        raise Refused(f"{file}: {error}") from error


def prepare_graph(
    model: Graph,
    made: str,
    *,
    name: str,
    labels: Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    **options: Any,
) -> Prepared:
    """Return a graph as it can be published; without labels and features these get default names.

    `made` is the note on its origin; the other notes of the manifest say how the graph was understood and changed. The
    other `options` are those of `inspect`. Raises `Refused`.
    """
    check_inputs(model)
    wrapping_notes = graphs.unwrap_outputs(model)
    with fitting(model, features):
        findings = inspect(model, features, **options)
    labels, labels_notes = choose_labels(labels, model, findings)
    converted = convert(model, findings)
    notes = (made, *wrapping_notes, *findings.notes, *labels_notes)
    return Prepared(converted, _manifest(name, converted, labels, findings, notes), findings)


def compare_with(prepared: Prepared, file: Path, target: str) -> tuple[Prepared, tuple[str, ...]]:
    """Return the model with a note on its accuracy for the rows of a CSV file, and the lines to print.

    The column `target` has the labels to expect. Raises `Refused` if the table does not fit the model, or `OSError`.
    """
    manifest = prepared.manifest
    found = compare(prepared.content, manifest, file, target)
    return prepared.noting(found.summary), (found.summary, *(f"  {line}" for line in found.disagreements))


def publish(prepared: Prepared, models_dir: Path) -> tuple[Path, Manifest]:
    """Write a model as the next version; returns the version's folder, and its manifest.

    Raises `ModelError` if it is too large; nothing is written then.
    """
    name = prepared.manifest.name
    with next_version(models_dir / name) as (folder, version):
        manifest = prepared.manifest.model_copy(update={"version": version})
        (folder / MODEL_FILE).write_bytes(prepared.content)
        check_size(folder / MODEL_FILE)
        describe(folder, manifest, _card(manifest))
    return models_dir / name / str(version), manifest


def _manifest(
    name: str,
    converted: bytes,
    labels: Sequence[str],
    findings: Findings,
    notes: tuple[str, ...],
) -> Manifest:
    """Return the manifest of version 1. Raises `Refused` for a name or label that is not allowed."""
    check_unique(labels, "--labels")
    try:
        return Manifest(
            name=name,
            version=1,
            sha256=_sha256(converted),
            labels=tuple(labels),
            features=findings.features,
            datatype=findings.source.datatype,
            notes=notes,
        )
    except ValidationError as error:
        raise Refused(RULES[str(error.errors()[0]["loc"][0])]) from error


def _card(manifest: Manifest) -> str:
    return CARD.format(
        name=manifest.name,
        version=manifest.version,
        sha256=manifest.sha256,
        inputs="; ".join(_inputs(manifest)),
        classes=len(manifest.labels),
        labels=", ".join(manifest.labels),
        notes="\n".join(f"- {note}" for note in manifest.notes),
    )


def _inputs(manifest: Manifest) -> Iterator[str]:
    """Yield a description of each input."""
    names = [feature.name for feature in manifest.features]
    if not manifest.tensors:
        row = ", ".join(map(str, manifest.layout.shape))
        yield f"`{INPUT}`, {manifest.dtype.name} `[n, {row}]`: {', '.join(names)}"
    for tensor in manifest.tensors:
        kind = "text" if tensor.datatype == "BYTES" else tensor.dtype.name
        columns = ", ".join(names[index] for index in tensor.columns)
        yield f"`{tensor.name}`, {kind} `[n, {tensor.width}]`: {columns}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
