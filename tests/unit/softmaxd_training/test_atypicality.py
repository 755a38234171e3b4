"""The distance to the nearest class: its definition, its float32 digits, and its use."""

from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import ledoit_wolf

from softmaxd.models.engine import Engine
from softmaxd.models.manifest import MODEL_FILE
from softmaxd.models.outputs import Array
from softmaxd.models.rowwise import ROWS_TO_TRY, choose_batching
from softmaxd.numerics.softmax import Floats
from softmaxd_training import atypicality
from softmaxd_training.atypicality import LEAST_VARIANCE, Atypicality
from softmaxd_training.export import write_onnx
from softmaxd_training.rows import Rows
from tests.support.paths import MODELS


def clouds(count: int, *, offset: float = 0.0, scale: float = 1.0, seed: int = 0) -> Rows:
    """Draw from three skewed clouds in four dimensions."""
    chance = np.random.default_rng(seed)
    classes = np.arange(count) % 3
    skew = np.eye(4) + 0.4 * np.random.default_rng(99).normal(size=(4, 4))
    features = chance.normal(size=(count, 4)) @ skew + 5 * np.eye(3, 4)[classes]
    return Rows((offset + scale * features).astype(np.float32), classes.astype(np.int64))


def in_the_graph(atypicality: Atypicality, features: Array, folder: Path) -> Floats:
    inputs = keras.Input((features.shape[1],), name="features")
    logits = keras.layers.Dense(2, name="logits")(inputs)
    write_onnx(keras.Model(inputs, keras.layers.Softmax()(logits)), atypicality, folder / "model.onnx")
    return Engine(folder / "model.onnx", device="cpu").run(features)["atypicality"].astype(np.float64)


def test_it_is_the_squared_mahalanobis_distance_to_the_nearest_class() -> None:
    rows = clouds(3000)
    features = rows.features.astype(np.float64)
    means = np.stack([features[rows.classes == index].mean(axis=0) for index in range(3)])
    precision = np.linalg.inv(np.cov((features - means[rows.classes]).T))

    found = Atypicality.of(rows)(rows.features[:50])

    by_hand = [min(mahalanobis(row, mean, precision) ** 2 for mean in means) for row in features[:50]]
    assert found == pytest.approx(by_hand, rel=0.02)  # the estimate is shrunk a little


@pytest.mark.parametrize(("count", "width"), [(30, 4), (300, 4), (40, 90), (3, 2), (50, 1)])
def test_the_covariance_is_that_of_ledoit_and_wolf(count: int, width: int) -> None:
    chance = np.random.default_rng(0)
    classes = (np.arange(count) % 2).astype(np.int64)
    rows = Rows(chance.normal(size=(count, width)).astype(np.float32), classes)
    scaled = (rows.features - rows.features.mean(axis=0, dtype=np.float64)) / rows.features.std(axis=0, dtype=float)
    means = np.stack([scaled[classes == index].mean(axis=0) for index in (0, 1)])
    covariance, _ = ledoit_wolf(scaled - means[classes], assume_centered=True)
    precision = np.linalg.inv(covariance + LEAST_VARIANCE * np.eye(width))
    offsets = scaled[:, None] - means

    expected = np.einsum("ncd,de,nce->nc", offsets, precision, offsets).min(axis=1)

    assert Atypicality.of(rows)(rows.features) == pytest.approx(expected, rel=1e-5)


def test_a_class_without_rows_has_no_mean() -> None:
    rows = clouds(300)
    two = rows.chosen(np.flatnonzero(rows.classes != 1))
    other = Rows(two.features, np.minimum(two.classes, 1))

    assert Atypicality.of(two).means == pytest.approx(Atypicality.of(other).means)
    assert len(Atypicality.of(two).means) == 2


def test_a_feature_that_never_varies_tells_other_values() -> None:
    rows = clouds(300)
    features = np.hstack([rows.features, np.full((300, 1), 0.1, dtype=np.float32)])
    atypicality = Atypicality.of(Rows(features, rows.classes))
    changed = features.copy()
    changed[:, -1] = 1.1

    assert atypicality(features) == pytest.approx(Atypicality.of(rows)(rows.features), rel=0.2)
    assert (atypicality(changed) > atypicality(features) + 10).all()


def test_a_class_mean_is_the_least_atypical_point() -> None:
    rows = clouds(300)
    mean = rows.features[rows.classes == 1].mean(axis=0, dtype=np.float64)

    assert Atypicality.of(rows)(mean[None].astype(np.float32))[0] < 1e-9


@pytest.mark.parametrize(
    ("offset", "scale"), [(0.0, 1.0), (4096.0, 1.0), (1e6, 1000.0), (0.0, 1e-20), (0.0, 1e20), (-3e4, 8.0)]
)
def test_the_graph_computes_it_in_float32_for_any_offset_and_unit(offset: float, scale: float, tmp_path: Path) -> None:
    rows, asked = clouds(300, offset=offset, scale=scale), clouds(90, offset=offset, scale=scale, seed=1)
    atypicality = Atypicality.of(rows)

    found, exact = in_the_graph(atypicality, asked.features, tmp_path), atypicality(asked.features)
    assert np.max(np.abs(found - exact) / (1 + exact)) < 1e-5


@pytest.mark.parametrize("width", [1, 64, 65, 90])
def test_the_graph_computes_it_for_any_number_of_features(width: int, tmp_path: Path) -> None:
    chance = np.random.default_rng(width)
    classes = np.arange(600) % 3
    rows = Rows((chance.normal(size=(600, width)) + classes[:, None]).astype(np.float32), classes.astype(np.int64))
    atypicality = Atypicality.of(rows)

    found, exact = in_the_graph(atypicality, rows.features, tmp_path), atypicality(rows.features)
    assert np.max(np.abs(found - exact) / (1 + exact)) < 1e-5


def test_it_is_finite_for_every_finite_row(tmp_path: Path) -> None:
    rows = clouds(300)
    signs = np.array(np.meshgrid(*[[-1, 0, 1]] * 4), dtype=np.float32).reshape(4, -1).T
    away = signs[np.abs(signs).sum(axis=1) > 0]
    far = np.concatenate([away * np.float32(size) for size in (1e10, 1e19, 1e30, 3.4e38)])

    found = in_the_graph(Atypicality.of(rows), far, tmp_path)

    assert np.isfinite(found).all()
    assert found.min() > 1e15


@pytest.mark.parametrize(
    "features",
    [
        [[0, 0], [0, 1], [1, 0], [1, 1]],  # the second feature does not depend on the class, the first is the class
        [[0, 0], [1, 1], [2, 2], [3, 3]],  # twice the same feature
        [[0, 1], [0, 1], [3, 2], [3, 2]],  # nothing varies within a class
    ],
)
def test_classes_without_spread_have_a_distance(features: list[list[float]], tmp_path: Path) -> None:
    rows = Rows(np.array(features * 20, dtype=np.float32), np.array([0, 0, 1, 1] * 20))
    atypicality = Atypicality.of(rows)
    asked = np.array([*features, [0.5, 0.5], [100, -100]], dtype=np.float32)

    found, exact = in_the_graph(atypicality, asked, tmp_path), atypicality(asked)
    assert np.max(np.abs(found - exact) / (1 + exact)) < 1e-4
    assert found[-1] > 100 * found[:4].max() + 100


@pytest.mark.parametrize("folder", sorted(MODELS.glob("*/*")), ids=lambda folder: folder.parent.name)
def test_the_committed_models_answer_a_row_independently_of_the_others(folder: Path) -> None:
    engine = Engine(folder / MODEL_FILE, device="cpu")
    (_, shape) = engine.inputs["features"]
    rows = np.random.default_rng(0).normal(size=(ROWS_TO_TRY, *map(int, map(str, shape[1:])))).astype(np.float32)

    assert choose_batching(engine.run, 10 * rows)[1] == "joined"


def test_the_distances_of_many_rows_are_computed_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = clouds(50)
    distance = Atypicality.of(rows)
    at_once = distance(rows.features)

    monkeypatch.setattr(atypicality, "BLOCK", 7)

    assert distance(rows.features) == pytest.approx(at_once, rel=1e-12)


@pytest.mark.parametrize("points", [atypicality.FEW, 300])
def test_the_distance_to_the_nearest_rows_is_the_same_by_one_product(
    points: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, asked = clouds(300), clouds(90, seed=1).features
    distance = Atypicality.of(rows, points=points)
    whitened = (asked.astype(np.float64) - distance.centre) @ distance.whitening

    by_hand = ((whitened[:, None] - distance.means) ** 2).sum(axis=2).min(axis=1)
    assert len(distance.means) == points
    assert distance(asked) == pytest.approx(by_hand, rel=1e-9, abs=1e-9)
    monkeypatch.setattr(atypicality, "FEW", 10)
    assert distance(asked) == pytest.approx(by_hand, rel=1e-9, abs=1e-9)
    assert distance(rows.features).min() >= 0
