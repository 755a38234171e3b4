"""Typicality is measured on strange rows that are made from the test rows."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from softmaxd.errors import Refused
from softmaxd.models.loading import read_manifest
from softmaxd.models.outputs import Features
from softmaxd.numerics.softmax import Floats
from softmaxd_training import gaussians
from softmaxd_training.rows import Rows
from softmaxd_training.strange import OTHER, POINTS, PREFIX, auroc, measure, section, shifted, shuffled
from tests.support.paths import MODELS

NAMES = [f"{PREFIX}_{kind}" for kind in ("shuffled", "shifted", "left_out")]


def clouds(count: int, labels: int, seed: int) -> Rows:
    """Draw from clouds in a plane that lie far apart: each in a direction of its own."""
    chance = np.random.default_rng(seed)
    classes = np.arange(count) % labels
    angles = 2 * np.pi * classes / labels
    features = 40 * np.stack([np.cos(angles), np.sin(angles)], axis=1) + chance.normal(size=(count, 2))
    return Rows(features.astype(np.float32), classes.astype(np.int64))


def table() -> Features:
    rows = np.zeros(5, dtype=[("numbers", np.float32, (2,)), ("counts", np.int8, (1,)), ("texts", object, (1,))])
    rows["numbers"] = [[1, np.nan], [2, 20], [3, 30], [4, 40], [5, 50]]
    rows["counts"][:, 0] = [-128, 0, 0, 0, 127]
    rows["texts"][:, 0] = list("abcde")
    return rows


def test_auroc_is_that_of_scikit_learn_and_ties_count_half() -> None:
    chance = np.random.default_rng(0)
    ordinary, strange = (chance.integers(*ends).astype(np.float64) for ends in ((0, 20, 300), (3, 23, 200)))
    truth = np.repeat([0, 1], [300, 200])

    assert auroc(ordinary, strange) == pytest.approx(roc_auc_score(truth, np.concatenate([ordinary, strange])))
    assert auroc(np.ones(3), np.ones(5)) == 0.5


def test_shuffled_clouds_are_found_as_often_as_their_places_are_empty() -> None:
    typical, test = gaussians.draw(2_000, seed=1), gaussians.draw(4_000, seed=2)

    found = measure(typical, test)

    # x is 15 for half of the rows and y is 15 for three quarters; (0, 0) and (30, 0) are empty: 1/8 of shuffled rows
    # are found, and the others are as all are: 1/8 + 7/8 · 1/2. The standard deviation is at most 0.5/√4,000.
    assert found[NAMES[0]] == pytest.approx(9 / 16, abs=4 * 0.5 / np.sqrt(4_000))
    assert found[NAMES[2]] > 0.999


def test_a_shift_along_the_spread_of_the_clouds_is_found() -> None:
    assert measure(clouds(300, 3, 0), clouds(300, 3, 1))[NAMES[1]] > 0.999


@pytest.mark.parametrize("labels", [2, 3, 10, 25])
def test_labels_that_are_left_out_are_found_alone_or_in_groups(labels: int) -> None:
    assert measure(clouds(500, labels, 0), clouds(500, labels, 1))[NAMES[2]] > 0.98


def test_left_out_rows_that_look_ordinary_are_not_found() -> None:
    chance = np.random.default_rng(3)
    rows = Rows(chance.normal(size=(4_000, 3)).astype(np.float32), chance.integers(4, size=4_000))

    found = measure(rows.part(0, 2_000), rows.part(2_000, 4_000))

    assert [found[name] for name in (NAMES[0], NAMES[2])] == pytest.approx([0.5, 0.5], abs=0.05)


def test_each_column_is_shuffled_by_itself() -> None:
    features = table()

    found = shuffled(features)

    assert sorted(found["numbers"][:, 0]) == [1, 2, 3, 4, 5]
    assert found["numbers"][:, 0].tolist() != [1, 2, 3, 4, 5]
    assert "".join(sorted(found["texts"][:, 0])) == "abcde"
    assert "".join(found["texts"][:, 0]) != "abcde"
    assert features["numbers"][:, 0].tolist() == [1, 2, 3, 4, 5]


def test_numbers_are_raised_within_their_type_and_missing_ones_and_texts_stay() -> None:
    found = shifted(table())

    assert found["numbers"][:, 0] == pytest.approx(np.arange(1, 6) + np.sqrt(2))
    assert np.isnan(found["numbers"][0, 1])
    assert found["numbers"][1:, 1] == pytest.approx(np.arange(20, 51, 10) + np.sqrt(125))
    assert found["counts"][:, 0].tolist() == [-47, 80, 80, 80, 127]
    assert "".join(found["texts"][:, 0]) == "abcde"


def test_pictures_are_shuffled_pixel_by_pixel() -> None:
    pictures = np.random.default_rng(0).random((20, 3, 4)).astype(np.float32)

    assert np.array_equal(np.sort(shuffled(pictures), axis=0), np.sort(pictures, axis=0))
    assert shifted(pictures) == pytest.approx(pictures + pictures.std(axis=0))


def test_rows_that_do_not_change_or_that_the_model_refuses_are_left_out() -> None:
    typical, test = clouds(60, 3, 0), clouds(30, 3, 1)

    def constant(features: Features) -> Floats:
        return np.zeros((len(features), 2)) + np.arange(2.0)

    def choosy(features: Features) -> Floats:
        if not np.array_equal(features, test.features):
            raise Refused("no such rows")
        return features.astype(np.float64)

    assert list(measure(typical, test, constant)) == [NAMES[2]]
    assert list(measure(typical, test, choosy)) == [NAMES[2]]
    assert list(measure(typical, Rows(test.features, test.classes * 0))) == NAMES[:2]


def test_the_section_has_a_line_for_each_figure_and_is_empty_without() -> None:
    manifest = read_manifest(MODELS / "iris" / "1")
    metrics = {**dict.fromkeys(NAMES, 0.9), "test_rows": 30.0}
    many = {"metrics": metrics, "labels": tuple(f"label {number}" for number in range(11))}

    lines = section(manifest.model_copy(update={"metrics": metrics})).splitlines()[-3:]

    assert [line.partition("% (")[2] for line in lines] == ["73.5% to 97.9%) |"] * 3
    assert lines[2].startswith("| test rows of one label, if the typicality is made without it")
    assert "a tenth of the labels" in section(manifest.model_copy(update=many))
    assert section(manifest.model_copy(update={"metrics": {"test_rows": 30.0}})) == ""


def test_a_column_that_is_missing_in_all_rows_stays_missing() -> None:
    rows = np.array([[np.nan, 1.0], [np.nan, 3.0]], dtype=np.float32)

    assert np.isnan(shifted(rows)[:, 0]).all()
    assert shifted(rows)[:, 1].tolist() == [2.0, 4.0]


def ring(count: int, seed: int) -> Rows:
    """Draw rows of two classes: one on a circle, and one beside it."""
    chance = np.random.default_rng(seed)
    angles = 2 * np.pi * chance.random(count)
    classes = np.arange(count) % 2
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1) * 10 + chance.normal(size=(count, 2)) / 4
    features[classes == 1] = features[classes == 1] / 10 + [30, 0]
    return Rows(features.astype(np.float32), classes.astype(np.int64))


def test_rows_within_a_ring_are_found_by_the_nearest_rows() -> None:
    typical, test = ring(1_000, 0), ring(1_000, 1)

    by_means, by_rows = measure(typical, test), measure(typical, test, points=500)

    assert list(by_rows) == list(by_means) == NAMES
    assert by_rows[NAMES[0]] > by_means[NAMES[0]] + 0.2


def test_the_section_has_both_distances_if_there_was_a_choice() -> None:
    manifest = read_manifest(MODELS / "iris" / "1")
    both = {**dict.fromkeys(NAMES, 0.9), **{f"{OTHER}{name}": 0.8 for name in NAMES}, "test_rows": 30.0}

    nearest, means = (
        section(manifest.model_copy(update={"metrics": {**both, POINTS: points}})) for points in (1_000.0, 0.0)
    )

    columns = "| strange rows | look stranger, by {} | by {}, which is not used |".format
    assert columns("the nearest of 1,000 training rows", "the nearest class mean") in nearest
    assert columns("the nearest class mean", "the nearest training rows") in means
    assert [line.count("% (") for line in means.splitlines()[-3:]] == [2, 2, 2]
    assert all("| 90.0% (" in line and "| 80.0% (" in line for line in means.splitlines()[-3:])
