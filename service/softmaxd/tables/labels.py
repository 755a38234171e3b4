"""The column of a table with the labels to expect → the classes of a model."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from softmaxd.errors import Refused
from softmaxd.models.by_name import listed, nearest_name
from softmaxd.tables.rows import Rows

MOST_LISTED = 10  # labels, in a message

Classes = npt.NDArray[np.int64]


def classes_of(found: Rows, cells: Sequence[bytes | None], labels: Sequence[str], target: str) -> Classes:
    """Return the class of each row [n] whose label is in these cells, exactly or but for the blanks around it.

    Where the labels are the numbers of classes, 1.0 may stand for 1, and false for 0. Raises `Refused` for a label that
    the model does not have.
    """
    exact = {label: number for number, label in enumerate(labels)}
    index = {label.strip(): number for label, number in exact.items()} | exact
    classes = np.empty(len(cells), dtype=np.int64)
    for row, cell in enumerate(cells):
        text = (cell or b"").decode()
        label = next((spelling for spelling in (text, *_spellings(text.strip())) if spelling in index), None)
        if label is None:
            raise Refused(f"{found.place(row)}, column {target}: {_reason(text.strip(), labels)}")
        classes[row] = index[label]
    return classes


def _spellings(text: str) -> Sequence[str]:
    return text, text.removesuffix(".0"), f"{text}.0", {"true": "1", "false": "0"}.get(text.lower(), text)


def _reason(text: str, labels: Sequence[str]) -> str:
    if not text:
        return "the label is missing"
    nearest = nearest_name(text, labels)
    end = f"; did you mean {nearest}?" if nearest else f": it has {listed(labels, MOST_LISTED)}"
    return f"{text[:200]!r} is not a label of the model{end}"
