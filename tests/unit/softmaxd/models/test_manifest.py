import sys

import numpy as np
import pytest
from pydantic import ValidationError

from tests.support.manifests import manifest


def test_features_have_different_names() -> None:
    assert len(manifest(2).features) == 2
    with pytest.raises(ValidationError, match="should not have the same name twice"):
        manifest(features=[{"name": "x1"}, {"name": "x1"}])


def test_calibration_rows_by_label_are_those_of_its_labels() -> None:
    label = {"rows": 1, "scores": [0.5]}
    calibration = {"rows": 2, "temperature": 1.0, "scores": [0.5], "atypicality": [0.5], "by_label": [label, label]}

    assert manifest(labels=("a", "b"), calibration=calibration).calibration is not None
    with pytest.raises(ValidationError, match="should have calibration rows by label for its 3 labels"):
        manifest(labels=("a", "b", "c"), calibration=calibration)


def test_a_sample_has_rows_of_its_features_and_labels() -> None:
    assert manifest(2, sample={"rows": [[1.5, 2], [3, 4]], "classes": [0, 1]}).sample is not None
    with pytest.raises(ValidationError, match="should have as many classes as rows, 1, not 2"):
        manifest(2, sample={"rows": [[1, 2]], "classes": [0, 1]})
    with pytest.raises(ValidationError, match="should have sampled rows of its 3 features"):
        manifest(3, sample={"rows": [[1, 2]], "classes": [0]})
    with pytest.raises(ValidationError, match="should have sampled rows of its 2 labels"):
        manifest(2, sample={"rows": [[1, 2]], "classes": [2]})


def test_a_request_holds_its_features_with_their_texts_and_its_answer() -> None:
    numbers = np.zeros((5, 2), dtype=np.float32)
    assert manifest(2).held_bytes(numbers) == 5 * (8 + manifest(2).answer_bytes)

    table = manifest(features=[{"name": "age", "input": "age"}, {"name": "job", "input": "job", "datatype": "BYTES"}])
    rows = np.empty(2, table.dtype)
    rows["job"][:, 0] = ["clerk", "Köchin 😀"]

    texts = sys.getsizeof("clerk") + sys.getsizeof("Köchin 😀")
    assert table.held_bytes(rows) == 2 * (4 + 8 + table.answer_bytes) + texts
