import pytest
from pydantic import ValidationError

from softmaxd.models.manifest import Calibration
from tests.support.manifests import manifest


@pytest.mark.parametrize(
    "changed",
    [
        {"scores": [2.0, 1.0]},
        {"scores": []},
        {"atypicality": [1.0, 2.0, 3.0, 4.0]},
        {"temperature": 0.0},
        {"scores": [float("inf")]},
        {"rows": 2**63},
    ],
)
def test_calibration_data_that_cannot_be_is_refused(changed: dict[str, object]) -> None:
    good: dict[str, object] = {"rows": 3, "temperature": 1.5, "scores": [1.0, 2.0], "atypicality": [0.5]}

    assert Calibration.model_validate(good).rows == 3
    with pytest.raises(ValidationError):
        Calibration.model_validate({**good, **changed})


def test_features_have_different_names() -> None:
    assert len(manifest(2).features) == 2
    with pytest.raises(ValidationError, match="should not have the same name twice"):
        manifest(features=[{"name": "x1"}, {"name": "x1"}])
