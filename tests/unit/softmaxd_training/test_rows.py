"""Rows are cut into parts, counted and described."""

from dataclasses import replace

import numpy as np
import pytest

from softmaxd_training.rows import Parts, Rows, one_hot, ranges, sample

ROWS = Rows(np.array([[1, -2], [3, 0.5], [2, 4]], np.float32), np.array([0, 2, 1]))


def test_a_part_has_the_rows_from_its_start_up_to_its_end() -> None:
    part = ROWS.part(1, 3)

    assert len(part) == 2
    assert part.features.tolist() == [[3, 0.5], [2, 4]]
    assert part.classes.tolist() == [2, 1]


def test_parts_are_counted_by_name() -> None:
    parts = Parts(train=ROWS, validation=ROWS.part(0, 2), calibration=ROWS.part(0, 1), test=ROWS.part(0, 0))

    assert parts.counts() == {"train": 3, "validation": 2, "calibration": 1, "test": 0}
    assert parts.for_temperature is parts.calibration


def test_rows_for_the_temperature_alone_are_counted_and_hashed() -> None:
    parts = Parts(train=ROWS, validation=ROWS, calibration=ROWS, test=ROWS)
    more, other = replace(parts, temperature=ROWS.part(0, 2)), replace(parts, temperature=ROWS.part(1, 3))

    assert more.counts() == {"train": 3, "validation": 3, "calibration": 3, "test": 3, "temperature": 2}
    assert more.for_temperature is more.temperature
    assert len({parts.sha256(), more.sha256(), other.sha256()}) == 3


def test_each_feature_has_its_lowest_and_its_highest_value() -> None:
    columns = ranges(ROWS.features, ["a", "b"])

    assert [(column.name, column.min, column.max) for column in columns] == [("a", 1, 3), ("b", -2, 4)]


def test_a_sample_is_spread_over_all_rows_and_is_the_same_in_float32() -> None:
    features = np.random.default_rng(0).normal(size=(1000, 2)).astype(np.float32)
    rows = Rows(features, np.repeat([0, 1], 500))

    found, few = sample(rows), sample(ROWS)

    assert found is not None
    assert few is not None
    places = [int(index * 1000 / 300) for index in range(300)]
    assert np.array_equal(np.array(found.rows, np.float32), features[places])
    assert max(len(str(abs(value))) for row in found.rows for value in row) <= 15
    assert (found.classes.count(0), found.classes.count(1)) == (150, 150)
    assert (few.rows, few.classes) == (((1, -2), (3, 0.5), (2, 4)), (0, 2, 1))


def test_rows_that_no_plane_can_show_are_not_sampled() -> None:
    for shape in ((3, 1), (3, 3), (3, 2, 2)):
        assert sample(Rows(np.zeros(shape, np.float32), np.zeros(3, np.int64))) is None


def test_a_class_becomes_a_row_with_a_one_in_its_place() -> None:
    found = one_hot(ROWS.classes, 4)

    assert found.tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]]
    assert found.dtype == np.float32


def test_rows_are_dealt_into_equal_parts() -> None:
    classes = np.array([0] * 50 + [1] * 9 + [2] * 2)
    rows = Rows(np.arange(61, dtype=np.float32)[:, None], classes)

    parts = rows.dealt(3, seed=0)

    assert sorted(value for part in parts for value in part.features[:, 0]) == list(range(61))
    assert sorted(map(len, parts)) == [20, 20, 21]
    assert all(np.array_equal(classes[part.features[:, 0].astype(int)], part.classes) for part in parts)


@pytest.mark.parametrize("parts", [2, 3])
def test_a_part_of_few_rows_covers_new_rows_as_often_as_theory_says(parts: int) -> None:
    """The scores grow with the class, as those of labels that are harder and harder.

    A new row is at most the larger of two random ones with a probability of 2/3. Each seed has one new row, so the
    number of seeds in which it is follows the binomial law: the bound is four standard deviations.
    """
    held, seeds = 0, 3_000
    for seed in range(seeds):
        *scores, new = np.random.default_rng([seed, parts]).uniform(size=2 * parts + 1).astype(np.float32)
        rows = Rows(np.array(scores)[:, None], np.floor(100 * np.array(scores)).astype(np.int64))
        *_, calibration, _ = rows.dealt(parts, seed)
        held += int(new <= calibration.features.max())

    assert abs(held - seeds * 2 / 3) < 4 * np.sqrt(seeds * 2 / 9)


def test_the_seed_deals_the_rows() -> None:
    rows = Rows(np.arange(60, dtype=np.float32)[:, None], np.zeros(60, dtype=np.int64))
    first, again, other = (rows.dealt(2, seed)[0].features.tolist() for seed in (0, 0, 1))

    assert first == again != other
