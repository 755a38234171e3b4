"""A file with labels is read some rows at a time."""

from pathlib import Path

import pytest

from softmaxd.errors import Refused
from softmaxd.models.loading import read_manifest
from softmaxd.tables import labelled as module
from softmaxd.tables.labelled import read_labelled
from tests.support.paths import MODELS

BLOBS = read_manifest(MODELS / "blobs" / "1")


def test_rows_come_in_pieces_with_features_and_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 2)
    (tmp_path / "rows.csv").write_text("kind,x2,x1\nblob-1,2,1\nblob-0,4,+3\nblob-3,6,5\n")

    with (tmp_path / "rows.csv").open("rb") as source:
        columns, parts = read_labelled(source, "kind", BLOBS)
        found = [(part.rows.place(0), part.features.tolist(), part.classes.tolist()) for part in parts]

    assert not columns.are_by_order
    assert found == [("line 2", [[1, 2], [3, 4]], [1, 0]), ("line 4", [[5, 6]], [3])]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("blob-1,2", "line 3 has 2 values, but the header names 3"),
        ("blob-1,2,x", "line 3, column x2: Input should be a valid number"),
        ("blob,2,1", "line 3, column kind: 'blob' is not a label of the model; did you mean blob-"),
    ],
)
def test_a_row_that_does_not_fit_is_named(tmp_path: Path, row: str, reason: str) -> None:
    (tmp_path / "rows.csv").write_text(f"kind,x1,x2\nblob-1,2,1\n{row}\n")

    with (tmp_path / "rows.csv").open("rb") as source:
        _, parts = read_labelled(source, "kind", BLOBS)
        with pytest.raises(Refused) as refused:
            list(parts)

    assert str(refused.value).startswith(reason)
