"""Manifests of models that need no file."""

from softmaxd.models.manifest import Manifest


def manifest(columns: int = 2, **changed: object) -> Manifest:
    """Return the manifest of a model with this many features, x1, x2, …, and the classes a and b."""
    whole = {
        "name": "any",
        "version": 1,
        "sha256": "0" * 64,
        "labels": ("a", "b"),
        "features": [{"name": f"x{column + 1}"} for column in range(columns)],
    }
    return Manifest.model_validate({**whole, **changed})
