import numpy as np

from softmaxd.metrics.counts import NO_MODEL, ROWS, SECONDS, Counts, Gauges, RunCounts, ShadowCounts, VersionCounts
from softmaxd.metrics.histogram import Histogram
from softmaxd.metrics.processes import ProcessCounts
from softmaxd.models.shadow import Comparison

BLOBS = ("blobs", 1)


def seconds(*values: float) -> Histogram:
    histogram = Histogram(SECONDS)
    for value in values:
        histogram.add(value)
    return histogram


def test_the_counts_of_two_workers_add_up() -> None:
    total = Counts(requests={("/predict", 200, "express", BLOBS): seconds(0.01)})
    other = Counts(
        requests={
            ("/predict", 200, "express", BLOBS): seconds(0.02, 0.03),
            ("/predict", 422, "asgi", NO_MODEL): seconds(0.04),
        },
        versions={BLOBS: VersionCounts(runs=RunCounts(runs=2, last_run=5.0))},
    )
    other.rejections["too_large", NO_MODEL] += 1

    for _ in range(2):
        total.merge(other)

    assert {key: sum(each.counts) for key, each in total.requests.items()} == {
        ("/predict", 200, "express", BLOBS): 5,
        ("/predict", 422, "asgi", NO_MODEL): 2,
    }
    assert total.rejections == {("too_large", NO_MODEL): 2}
    assert total.versions[BLOBS].runs == RunCounts(runs=4, last_run=5.0)
    assert other.versions[BLOBS].runs == RunCounts(runs=2, last_run=5.0)


def test_the_comparisons_of_two_workers_add_up() -> None:
    total, other = Counts(), ShadowCounts()
    other.add(Comparison(2, np.array([0.0, 1e-4, 0.3, 1.0])))
    other.add("busy")

    for _ in range(2):
        total.merge(Counts(shadows={(BLOBS, ("blobs", 2)): other}))

    compared = total.shadows[BLOBS, ("blobs", 2)]
    assert (compared.disagreements, compared.dropped) == (4, {"busy": 2})
    assert dict(compared.differences.buckets()) == {
        **dict.fromkeys(("1e-06", "1e-05"), 2),
        **dict.fromkeys(("0.0001", "0.001", "0.01", "0.02", "0.05", "0.1", "0.2"), 4),
        "0.5": 6,
        "1.0": 8,
        "+Inf": 8,
    }


def test_the_gauges_of_another_worker_are_left_out() -> None:
    total = Counts(gauges=Gauges(in_flight=1))

    total.merge(Counts(gauges=Gauges(in_flight=2)))

    assert total.gauges.in_flight == 1


def test_the_gauges_of_two_workers_add_up() -> None:
    total = Gauges(1, 2, 3, 4, {BLOBS: 5}, 6)

    total.merge(Gauges(10, 20, 30, 40, {BLOBS: 50, ("iris", 1): 60}, 70))

    assert total == Gauges(11, 22, 33, 44, {BLOBS: 55, ("iris", 1): 60}, 76)


def test_the_service_began_with_its_first_worker_and_used_the_time_of_all() -> None:
    total = Counts()
    for start, seconds in ((5.0, 1.0), (3.0, 2.0), (7.0, 4.0)):
        total.merge(Counts(process=ProcessCounts(1, start, seconds)))

    assert (total.process.start, total.process.cpu_seconds) == (3.0, 7.0)


def test_everything_of_a_version_is_forgotten_and_nothing_else() -> None:
    keys = (BLOBS, ("blobs", 2), NO_MODEL)
    counts = Counts(
        requests={("/predict", 200, "express", key): seconds(0.01) for key in keys},
        versions={key: VersionCounts() for key in keys},
        shadows={pair: ShadowCounts() for pair in (keys[:2], (keys[1], BLOBS), (keys[1], ("blobs", 3)))},
    )
    counts.rejections.update([("queue_full", key) for key in keys])

    counts.forget(BLOBS)

    left = list(keys[1:])
    assert list(counts.shadows) == [(keys[1], ("blobs", 3))]
    assert [key[3] for key in counts.requests] == [key[1] for key in counts.rejections] == list(counts.versions) == left


def test_the_bounds_of_all_histograms_rise() -> None:
    assert all(list(bounds) == sorted(set(bounds)) for bounds in (SECONDS, ROWS))
