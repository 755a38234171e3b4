"""A model runs all rows of a table as the service does."""

from pathlib import Path

import numpy as np
import pytest

from softmaxd.errors import Refused
from softmaxd.models.loading import read_manifest
from softmaxd.models.manifest import MODEL_FILE
from softmaxd.models.tables import to_table
from softmaxd_training.outputs import BATCH, finite_outputs_of, outputs_of
from tests.support import tables
from tests.support.onnx_models import linear, publish, publish_embedding


def test_many_rows_run_in_pieces_and_give_one_array(tmp_path: Path) -> None:
    manifest = read_manifest(publish(tmp_path, 1, linear().SerializeToString()))
    rows = np.random.default_rng(0).normal(size=(BATCH + 1, 2)).astype(np.float32)
    content = linear().SerializeToString()

    whole, last = outputs_of(content, manifest, rows)["logits"], outputs_of(content, manifest, rows[BATCH:])["logits"]

    assert whole.shape == (BATCH + 1, 3)
    assert whole[BATCH:].tobytes() == last.tobytes()


def test_a_table_runs_by_its_inputs(tmp_path: Path) -> None:
    folder = tables.publish_mixed(tmp_path)
    manifest = read_manifest(folder)

    found = finite_outputs_of((folder / MODEL_FILE).read_bytes(), manifest, to_table(tables.ROWS, manifest, []))

    assert found["logits"].tobytes() == tables.answers(folder)["logits"].tobytes()


@pytest.mark.parametrize(
    ("category", "reason"),
    [(5, "the model cannot run the rows: "), (0, "not all logits of 1 row are finite: the service would refuse ")],
)
def test_rows_that_the_model_does_not_answer_are_refused(tmp_path: Path, category: int, reason: str) -> None:
    folder = publish_embedding(tmp_path, 5)
    rows = np.array([[category], [1]], dtype=np.int64)

    with pytest.raises(Refused, match=f"^{reason}"):
        finite_outputs_of((folder / MODEL_FILE).read_bytes(), read_manifest(folder), rows)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    manifest = read_manifest(publish(tmp_path, 1, linear().SerializeToString()))

    with pytest.raises(Refused, match=r"^ONNX Runtime cannot load it: "):
        outputs_of(b"broken", manifest, np.zeros((1, 2), np.float32))
