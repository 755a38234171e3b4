"""Labels of a table become the classes of a model."""

import pytest

from softmaxd.errors import Refused
from softmaxd.tables.labels import classes_of
from softmaxd.tables.rows import Rows


def classes(cell: bytes | None, *labels: str) -> list[int]:
    found: list[int] = classes_of(Rows([2, 3], [b"", b""]), [labels[0].encode(), cell], labels, "kind").tolist()
    return found


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        (b"b", ("a", "b")),
        (b" b ", ("a", "b")),
        (b"1.0", ("0", "1")),
        (b"TRUE", ("0", "1")),
        (b"1", ("0.0", "1.0")),
        (b"1.0", ("1", "1.0")),
        (b"true", ("1", "true")),
        (b" b", ("b", " b")),
        (b"b ", ("a", " b")),
    ],
)
def test_a_label_may_be_spelt_as_tables_do(cell: bytes, labels: tuple[str, ...]) -> None:
    assert classes(cell, *labels) == [0, 1]


@pytest.mark.parametrize(
    ("cell", "labels", "reason"),
    [
        (b"oka", ("oak", "fir"), "'oka' is not a label of the model; did you mean oak?"),
        (b"FIR", ("oak", "fir"), "'FIR' is not a label of the model; did you mean fir?"),
        (b"7", ("oak", "fir"), "'7' is not a label of the model: it has oak, fir"),
        (
            b"7",
            tuple("abcdefghijk"),
            "'7' is not a label of the model: it has a, b, c, d, e, f, g, h, i, j and 1 more",
        ),
        (b"", ("oak", "fir"), "the label is missing"),
        (None, ("oak", "fir"), "the label is missing"),
    ],
)
def test_a_label_that_the_model_does_not_have_is_refused(
    cell: bytes | None, labels: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(Refused) as refused:
        classes(cell, *labels)

    assert str(refused.value) == f"line 3, column kind: {reason}"
