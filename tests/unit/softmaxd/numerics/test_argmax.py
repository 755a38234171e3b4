import numpy as np
import pytest

from softmaxd.numerics.argmax import FEW_COLUMNS, MANY_ROWS, best_classes


@pytest.mark.parametrize("rows", [1, MANY_ROWS, MANY_ROWS + 1])
@pytest.mark.parametrize("classes", [2, FEW_COLUMNS, FEW_COLUMNS + 1])
def test_the_best_class_is_the_first_of_the_most_probable_ones(rows: int, classes: int) -> None:
    probabilities = np.random.default_rng(0).integers(0, classes, (rows, classes)).astype(np.float32)  # many are equal

    best, highest = best_classes(probabilities)

    assert best.tolist() == probabilities.argmax(axis=1).tolist()
    assert highest.tolist() == probabilities.max(axis=1).tolist()


def test_a_row_that_is_not_a_number_has_some_best_class() -> None:
    best, _ = best_classes(np.full((MANY_ROWS, 3), np.nan, dtype=np.float32))

    assert set(best.tolist()) <= {0, 1, 2}
