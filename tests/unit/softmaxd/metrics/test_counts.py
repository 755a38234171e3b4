from softmaxd.metrics.counts import ROWS, SECONDS, Counts, VersionCounts
from softmaxd.metrics.histogram import Histogram


def seconds(*values: float) -> Histogram:
    histogram = Histogram(SECONDS)
    for value in values:
        histogram.add(value)
    return histogram


def test_the_counts_of_two_workers_add_up() -> None:
    total = Counts(requests={("/predict", 200, "express"): seconds(0.01)})
    other = Counts(
        requests={("/predict", 200, "express"): seconds(0.02, 0.03), ("/predict", 422, "asgi"): seconds(0.04)},
        versions={("blobs", 1): VersionCounts(runs=2, last_run=5.0)},
    )
    other.rejections["too_large"] += 1

    for _ in range(2):
        total.merge(other)

    assert {key: sum(each.counts) for key, each in total.requests.items()} == {
        ("/predict", 200, "express"): 5,
        ("/predict", 422, "asgi"): 2,
    }
    assert total.rejections == {"too_large": 2}
    assert total.versions["blobs", 1] == VersionCounts(runs=4, last_run=5.0)
    assert other.versions["blobs", 1] == VersionCounts(runs=2, last_run=5.0)


def test_the_queues_of_another_worker_are_left_out() -> None:
    total = Counts(queued_rows={"blobs": 1})

    total.merge(Counts(queued_rows={"blobs": 2}))

    assert total.queued_rows == {"blobs": 1}


def test_the_bounds_of_all_histograms_rise() -> None:
    assert all(list(bounds) == sorted(set(bounds)) for bounds in (SECONDS, ROWS))
