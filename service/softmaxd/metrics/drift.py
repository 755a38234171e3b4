"""Counts of a model's answers: they show drift of the data, and no row is stored.

The outputs of some thousand rows are counted together, because counting each batch by itself is slow. Typicality is
counted for a sample, at even distances in each batch, because its numbers may have to be computed for that alone.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from softmaxd.errors import CannotRun
from softmaxd.logs import RareLines
from softmaxd.metrics.evidence import Evidence
from softmaxd.metrics.histogram import Histogram
from softmaxd.models.calibration import Calibration
from softmaxd.models.manifest import PROBABILITIES, Manifest
from softmaxd.models.outputs import Array
from softmaxd.models.split import Unknown, atypicality_of, sample_of
from softmaxd.numerics.argmax import best_classes
from softmaxd.numerics.trust import typicality_of_rank

PROBABILITY_BOUNDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)
TYPICALITY_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
ROWS_AT_ONCE = 4096  # that are counted; and the most whose typicality is counted, from one `count` to the next
SAMPLE_BYTES = 4 * 2**20  # of their features, which are kept until then

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class AnswerCounts:
    """The rows that one model has answered."""

    labels: Counter[str] = field(default_factory=Counter)  # rows by the most probable one
    unknown: Counter[str] = field(default_factory=Counter)  # rows by the feature whose text the model does not know
    probability: Histogram = field(default_factory=lambda: Histogram(PROBABILITY_BOUNDS))  # the highest of each row
    typicality: Histogram = field(
        default_factory=lambda: Histogram(TYPICALITY_BOUNDS)
    )  # of models with calibration data

    def merge(self, other: "AnswerCounts") -> None:
        self.labels.update(other.labels)
        self.unknown.update(other.unknown)
        self.probability.merge(other.probability)
        self.typicality.merge(other.typicality)


class AnswerCounter:
    """Counts the answers of one version of a model."""

    def __init__(self, manifest: Manifest, counts: AnswerCounts, evidence: Evidence | None = None) -> None:
        self._labels = manifest.labels
        self._typicality = None if manifest.calibration is None else _Typicality(manifest.calibration)
        self._counts = counts
        self._evidence = evidence
        self._lines = RareLines(logger)
        self._kept: list[Mapping[str, Array]] = []
        self._rows = 0
        row_bytes = manifest.layout.row_bytes if manifest.takes_array else 0
        self._most_sampled = max(1, min(ROWS_AT_ONCE, SAMPLE_BYTES // max(row_bytes, 1)))
        self._samples: list[Array | Unknown] = []
        self._room = self._most_sampled  # in them

    def add(self, outputs: Mapping[str, Array]) -> None:
        """Keep the outputs of a batch; they are counted with those of later ones."""
        rows = len(outputs[PROBABILITIES])
        self._kept.append(outputs)
        self._rows += rows
        if self._room > 0 and self._typicality is not None:
            step = -(-rows // self._room)
            self._samples.append(sample_of(outputs, step))
            self._room -= -(-rows // step)
        if self._rows >= ROWS_AT_ONCE:
            self._count_kept()

    def count(self) -> None:
        """Count the outputs that were kept, and begin another sample of their rows."""
        self._count_kept()
        samples, self._samples, self._room = self._samples, [], self._most_sampled
        if samples and self._typicality is not None:
            try:
                atypicality = atypicality_of(samples)
            except CannotRun as error:
                self._lines.warning("typicality is not counted: %s", error)
                return
            self._counts.typicality.add_many(*self._typicality.count(atypicality))
            if self._evidence is not None:
                self._evidence.take(atypicality)

    def _count_kept(self) -> None:
        kept, self._kept, self._rows = self._kept, [], 0
        if kept:
            self._count_probabilities(np.concatenate([outputs[PROBABILITIES] for outputs in kept]))

    def _count_probabilities(self, probabilities: Array) -> None:
        best, highest = best_classes(probabilities)
        finite = np.isfinite(highest)  # the others were refused
        if not finite.all():
            best, highest = best[finite], highest[finite]
        numbers = np.bincount(best, minlength=len(self._labels))
        self._counts.labels.update(
            {label: rows for label, rows in zip(self._labels, numbers.tolist(), strict=True) if rows}
        )
        at_most = [int(np.count_nonzero(highest <= np.float32(bound))) for bound in PROBABILITY_BOUNDS]
        self._counts.probability.add_many(at_most, len(highest), float(highest.sum(dtype=np.float64)))


class _Typicality:
    """Counts typicalities quickly: it sorts the rows and looks up the calibration values among them."""

    def __init__(self, calibration: Calibration) -> None:
        self._atypicality = calibration.atypicality_array
        kept = len(self._atypicality)
        # entry i: the typicality of rows that are more atypical than i calibration values
        self._values = typicality_of_rank(np.arange(kept + 1), kept=kept, rows=calibration.rows)
        self._above = [int(np.count_nonzero(self._values > bound)) - 1 for bound in TYPICALITY_BOUNDS]

    def count(self, atypicality: Array) -> tuple[list[int], int, float]:
        """Return the number of rows up to each bound of `TYPICALITY_BOUNDS`, the number of all rows, and their sum."""
        rows = len(atypicality)
        ends = np.append(np.searchsorted(np.sort(atypicality), self._atypicality, "right"), rows)
        total = float(np.diff(ends, prepend=0) @ self._values)
        return [rows - int(ends[index]) for index in self._above], rows, total
