"""`softmaxd models add`: makes any ONNX classifier a model that can be served, and publishes it.

Nothing that serves imports this module: it needs onnx, which serving does not.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from softmaxd.adding import graphs
from softmaxd.adding.inspection import convert, inspect
from softmaxd.adding.labels import choose_labels
from softmaxd.models.manifest import MODEL_FILE, Datatype, Feature, Manifest
from softmaxd.models.onnxfile import check_size
from softmaxd.models.publishing import Refused, describe, next_version

MUST_BE = {
    "name": "--name should have letters, digits, '.', '_' and '-', begin with a letter or a digit, and be 64 at most",
    "labels": "a label should have 1 to 200 characters, without colons and control characters; --labels gives others",
    "features": "a feature's name should have 1 to 200 characters",
}
CARD = """\
# {name}, version {version}

Added with `softmaxd models add`. Nothing is known here of its training, its accuracy or its calibration.

| | |
| --- | --- |
| Input | `features`, {dtype} `[n, {width}]`: {features} |
| Output | `logits` and `probabilities`, float32 `[n, {classes}]`: {labels} |
| `model.onnx` | SHA-256 `{sha256}` |

{notes}
"""


def add_model(
    file: Path, models_dir: Path, *, name: str, labels: Sequence[str] | None, features: Sequence[str] | None
) -> tuple[Path, Manifest]:
    """Publish an ONNX classifier as the next version of a model; labels and features have default names.

    Returns the version's folder and its manifest, whose notes say what was found and changed. Raises `Refused`, with
    nothing written, when it is not a classifier that can be served.
    """
    check_size(file)
    content = file.read_bytes()
    try:
        model = graphs.read(content)
        origin = f"made from {file.name}, by {graphs.maker(model) or 'an unknown exporter'}, SHA-256 {_sha256(content)}"
        findings = inspect(model, features)
        labels, said = choose_labels(labels, model, findings)
        converted = convert(model, findings)
        manifest = _manifest(
            name=name,
            sha256=_sha256(converted),
            labels=labels,
            features=features or [f"x{index}" for index in range(findings.source.width)],
            datatype=findings.source.datatype,
            notes=(origin, *findings.notes, said),
        )
    except Refused as error:
        raise Refused(f"{file}: {error}") from error
    with next_version(models_dir / name) as (folder, version):
        manifest = manifest.model_copy(update={"version": version})
        (folder / MODEL_FILE).write_bytes(converted)
        describe(folder, manifest, _card(manifest))
    return models_dir / name / str(version), manifest


def _manifest(
    *,
    name: str,
    sha256: str,
    labels: Sequence[str],
    features: Sequence[str],
    datatype: Datatype,
    notes: tuple[str, ...],
) -> Manifest:
    """Return the manifest of version 1."""
    for option, names in (("--labels", labels), ("--features", features)):
        if len(set(names)) < len(names):
            raise Refused(f"{option} has a name twice")
    try:
        columns = [Feature(name=feature) for feature in features]
    except ValidationError as error:
        raise Refused(MUST_BE["features"]) from error
    try:
        return Manifest(
            name=name,
            version=1,
            sha256=sha256,
            labels=tuple(labels),
            features=tuple(columns),
            datatype=datatype,
            notes=notes,
        )
    except ValidationError as error:
        raise Refused(MUST_BE[str(error.errors()[0]["loc"][0])]) from error


def _card(manifest: Manifest) -> str:
    return CARD.format(
        name=manifest.name,
        version=manifest.version,
        sha256=manifest.sha256,
        dtype=manifest.dtype.name,
        width=len(manifest.features),
        classes=len(manifest.labels),
        features=", ".join(feature.name for feature in manifest.features),
        labels=", ".join(manifest.labels),
        notes="\n".join(f"- {note}" for note in manifest.notes),
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
