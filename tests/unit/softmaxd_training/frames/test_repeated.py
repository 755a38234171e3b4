from collections.abc import Sequence

import pyarrow as pa
import pytest

from softmaxd_training.frames.repeated import BYTE, TWO_BYTES, Texts


def texts(different: int, times: int) -> list[str]:
    return [f"text {number}" for number in range(different)] * times


@pytest.mark.parametrize(
    ("blocks", "kind"),
    [
        ([texts(2, 1), texts(3, 5)], BYTE),
        ([texts(128, 1), texts(128, 3)], BYTE),
        ([texts(3, 1), texts(129, 5), texts(2, 1)], TWO_BYTES),
        ([texts(3, 1), texts(129, 3), texts(2, 9)], pa.string()),
        ([texts(200, 4), texts(2**15 + 1, 4)], pa.string()),
        ([texts(129, 9), texts(129, 1)], TWO_BYTES),
        ([[""], []], BYTE),
        ([], BYTE),
    ],
)
def test_texts_take_as_few_bytes_as_their_repetition_allows(blocks: Sequence[list[str]], kind: pa.DataType) -> None:
    column = Texts()

    for block in blocks:
        column.add(pa.array(block, pa.string()))

    assert column.column().type == kind
    assert column.column().to_pylist() == [text for block in blocks for text in block]
