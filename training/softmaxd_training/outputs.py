"""The outputs of a model for all rows of a table."""

from collections.abc import Mapping

import numpy as np

from softmaxd.errors import ModelError, Refused
from softmaxd.models.engine import Engine
from softmaxd.models.loading import as_graph_takes
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Array, Features
from softmaxd.models.rowwise import choose_batching
from softmaxd.models.together import reason
from softmaxd.models.warming import rows_to_try
from softmaxd.tables.rows import counted

BATCH = 1024  # rows


def outputs_of(content: bytes, manifest: Manifest, features: Features) -> Mapping[str, Array]:
    """Return the outputs of a model for rows, as the service runs them. Raises `Refused` if it cannot."""
    try:
        run, batching = choose_batching(as_graph_takes(Engine(content, device="cpu"), manifest), rows_to_try(manifest))
        rows = 1 if batching == "alone" else BATCH
        parts = [run(features[start : start + rows]) for start in range(0, len(features), rows)]
    except ModelError as error:
        raise Refused(str(error)) from error
    except Exception as error:  # ONNX Runtime raises about ten unrelated classes here
        raise Refused(f"the model cannot run the rows: {reason(error)}") from error
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def finite_outputs_of(content: bytes, manifest: Manifest, features: Features) -> Mapping[str, Array]:
    """Return the outputs of a model for rows. Raises `Refused` if the logits of some are not finite, too."""
    outputs = outputs_of(content, manifest, features)
    wrong = int((~np.isfinite(outputs["logits"]).all(axis=1)).sum())
    if wrong:
        raise Refused(f"not all logits of {counted(wrong, 'row')} are finite: the service would refuse such rows")
    return outputs
