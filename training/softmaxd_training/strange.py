"""How well the typicality tells strange rows from ordinary ones: strange rows are made from the test rows."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

import numpy as np

from softmaxd.errors import Refused
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Features
from softmaxd.numerics.softmax import Floats
from softmaxd_training import templates
from softmaxd_training.atypicality import Atypicality
from softmaxd_training.rows import Rows
from softmaxd_training.shares import with_interval

PREFIX = "typicality_auroc"
POINTS = "typicality_points"  # training rows that a row is compared with; 0 for the class means
OTHER = "other_"  # before the names of the figures of the distance that was not taken
GROUPS = 10  # of labels, of which one after the other is left out: more labels take no more time

Values = Callable[[Features], Features]


def auroc(ordinary: Floats, strange: Floats) -> float:
    """Return the share of pairs in which the strange row [m] has a larger value than the ordinary one [n].

    Equal values count half. J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve", Radiology 143, 1982.
    """
    among = np.sort(ordinary)
    below, upto = np.searchsorted(among, strange, "left"), np.searchsorted(among, strange, "right")
    return float((below + upto).mean() / (2 * len(ordinary)))


def measure(typical: Rows, test: Rows, values: Values | None = None, *, points: int = 0) -> dict[str, float]:
    """Return the `auroc` of the atypicality for each kind of strange rows that can be made from the test rows.

    `typical` has the numbers [n, d] that give means and covariance; `values` makes such numbers of test rows, whose
    features may be those of a table. With `points`, the distance is that to the nearest of so many typical rows. A kind
    is left out if it changes no row, or if the model refuses its rows.
    """
    numbers = values or _as_they_are
    distance, ordinary = Atypicality.of(typical, points=points), numbers(test.features)
    distances = distance(ordinary)
    found = {}
    for name, changed in (("shuffled", shuffled(test.features)), ("shifted", shifted(test.features))):
        with suppress(Refused):
            moved = numbers(changed)
            if not np.array_equal(moved, ordinary):
                found[f"{PREFIX}_{name}"] = auroc(distances, distance(moved))
    if parts := list(_left_out(typical, Rows(ordinary, test.classes), points)):
        found[f"{PREFIX}_left_out"] = sum(rows * share for rows, share in parts) / sum(rows for rows, _ in parts)
    return found


def _as_they_are(features: Features) -> Floats:
    return features.reshape(len(features), -1).astype(np.float64)


def shuffled(features: Features) -> Features:
    """Return rows of which each number or text is that of another row: every column is in an order of its own."""
    chance = np.random.default_rng(0)
    return _by_tensor(features, lambda columns: chance.permuted(columns, axis=0))


def shifted(features: Features) -> Features:
    """Return rows whose numbers are all larger by the standard deviation of their column; texts stay as they are."""
    return _by_tensor(features, _raised)


def _raised(columns: Features) -> Features:
    if columns.dtype.kind not in "fiu":
        return columns
    known = np.where(np.isnan(columns).all(axis=0), 0, columns)  # of no numbers there is no deviation
    moved = columns + np.nanstd(known, axis=0, dtype=np.float64)
    kind = np.finfo(columns.dtype) if columns.dtype.kind == "f" else np.iinfo(columns.dtype)
    raised: Features = np.clip(moved, kind.min, kind.max).astype(columns.dtype)
    return raised


def _by_tensor(features: Features, change: Callable[[Features], Features]) -> Features:
    """Return features, changed; those of a table are records with a field [n, columns] for each tensor."""
    if features.dtype.names is None:
        return change(features)
    changed = features.copy()
    for name in features.dtype.names:
        changed[name] = change(features[name])
    return changed


def _left_out(typical: Rows, test: Rows, points: int) -> Iterator[tuple[int, float]]:
    """Yield for each label the number of its test rows, and their `auroc` if none of them were typical.

    More than `GROUPS` labels are left out in as many groups. All rows are numbers [n, d].
    """
    for group in range(GROUPS):
        known, strange = typical.classes % GROUPS != group, test.classes % GROUPS == group
        if known.any() and not known.all() and strange.any() and not strange.all():
            distances = Atypicality.of(typical.chosen(np.flatnonzero(known)), points=points)(test.features)
            yield int(strange.sum()), auroc(distances[~strange], distances[strange])


def nearest_of(metrics: Mapping[str, float]) -> str:
    """Return in words the place that the atypicality is the distance to."""
    points = metrics.get(POINTS, 0)
    return f"the nearest of {points:,.0f} training rows" if points else "the nearest class mean"


def section(manifest: Manifest) -> str:
    """Return a table of how often strange rows look stranger than ordinary ones; nothing if that was not measured.

    If there was a choice between two distances, it has the figures of both, that of the model first.

    The variance of such a share of pairs is at most that of a share of as many rows as the smaller of the two groups
    has: Z. W. Birnbaum and O. M. Klose, "Bounds for the variance of the Mann-Whitney statistic", Annals of Mathematical
    Statistics 28, 1957.
    """
    metrics, rows = manifest.metrics, int(manifest.metrics["test_rows"])
    left_out = templates.OF_A_LABEL if len(manifest.labels) <= GROUPS else templates.OF_TENTH_LABELS
    kinds = {"shuffled": templates.SHUFFLED, "shifted": templates.SHIFTED, "left_out": left_out}
    known = {f"{PREFIX}_{kind}": words for kind, words in kinds.items() if f"{PREFIX}_{kind}" in metrics}
    distances = ["", OTHER] if any(OTHER + name in metrics for name in known) else [""]
    lines = [
        f"| {words} | {' | '.join(with_interval(metrics[distance + name], rows) for distance in distances)} |"
        for name, words in known.items()
    ]
    columns = _two_columns(metrics) if len(distances) > 1 else templates.ONE_DISTANCE
    return templates.STRANGE.format(columns=columns, rows="\n".join(lines)) if lines else ""


def _two_columns(metrics: Mapping[str, float]) -> str:
    other = "the nearest class mean" if metrics[POINTS] else "the nearest training rows"
    return templates.TWO_DISTANCES.format(nearest=nearest_of(metrics), other=other)
