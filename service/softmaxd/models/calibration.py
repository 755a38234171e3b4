"""Calibration data and the evaluation in a manifest: how far the probabilities of a model can be trusted."""

from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

from softmaxd.numerics import trust
from softmaxd.numerics.softmax import Floats
from softmaxd.numerics.trust import MAX_QUANTILES, Sets, Thresholds

CoverageBy = Literal["marginal", "class"]  # on average over all rows, or for each label
DEFAULT_COVERAGE_BY: CoverageBy = "marginal"

MAX_CALIBRATION_ROWS = 10**12  # times a number of quantiles, it fits an int64


class Frozen(BaseModel):
    """A part of a manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _sorted(values: tuple[float, ...]) -> tuple[float, ...]:
    if any(low > high for low, high in pairwise(values)):
        raise ValueError("should be sorted")
    return values


Values = Annotated[tuple[FiniteFloat, ...], Field(max_length=MAX_QUANTILES), AfterValidator(_sorted)]
Quantiles = Annotated[Values, Field(min_length=1)]


class LabelCalibration(Frozen):
    """The calibration rows of one label, which may be none."""

    rows: Annotated[NonNegativeInt, Field(le=MAX_CALIBRATION_ROWS)]
    scores: Annotated[Values, Field(description="As those of all rows")]

    @model_validator(mode="after")
    def _has_scores_of_its_rows(self) -> Self:
        if len(self.scores) > self.rows or bool(self.scores) != bool(self.rows):
            raise ValueError(f"should have no more scores than its {self.rows} rows, and none only without rows")
        return self


class Calibration(Frozen):
    """The quantiles of calibration rows: rows like those to come, which the model was not trained on."""

    rows: Annotated[PositiveInt, Field(le=MAX_CALIBRATION_ROWS)]
    temperature: Annotated[FiniteFloat, Field(gt=0, description="By which the last calibration divided the logits")]
    scores: Annotated[
        Quantiles, Field(description="−ln p of the true label, sorted, thinned (softmaxd.numerics.trust)")
    ]
    atypicality: Annotated[Quantiles, Field(description="The graph's output of that name, sorted, thinned")]
    by_label: Annotated[
        tuple[LabelCalibration, ...] | None,
        Field(description="The same scores by true label, in the order of the labels; older manifests lack them"),
    ] = None

    @model_validator(mode="after")
    def _has_no_more_than_its_rows(self) -> Self:
        if max(len(self.scores), len(self.atypicality)) > self.rows:
            raise ValueError(f"should have no more values than its {self.rows} rows")
        if self.by_label is not None and (rows := sum(label.rows for label in self.by_label)) != self.rows:
            raise ValueError(f"should have as many rows by label as in all, {self.rows}, not {rows}")
        return self

    @cached_property
    def atypicality_array(self) -> npt.NDArray[np.float32]:
        """The quantiles of the atypicality [n], sorted, with a margin for ties; float32, as the graph's output is."""
        return trust.with_margin(np.array(self.atypicality)).astype(np.float32)

    @property
    def most_coverage(self) -> float:
        """The coverage above which prediction sets have all labels."""
        return trust.most_coverage(self.rows)

    def thresholds(self, coverage: float, by: CoverageBy = DEFAULT_COVERAGE_BY) -> Thresholds:
        """Return the highest −ln p of the labels in a prediction set; `by` "class" needs the scores by label."""
        marginal = trust.threshold(self.scores, rows=self.rows, coverage=coverage)
        if by == "marginal":
            return Thresholds(marginal, ())
        assert self.by_label is not None
        return trust.thresholds_by_class(
            [(label.rows, label.scores) for label in self.by_label], marginal=marginal, coverage=coverage
        )

    def prediction_sets(self, log_probabilities: Floats, coverage: float, by: CoverageBy = DEFAULT_COVERAGE_BY) -> Sets:
        """Return which labels are in the prediction set of each row [n, classes]."""
        return trust.prediction_sets(log_probabilities, self.thresholds(coverage, by).highest)

    def typicality(self, atypicality: npt.NDArray[Any]) -> Floats:
        """Return the typicality of each row [n]."""
        return trust.typicality(atypicality, self.atypicality_array, rows=self.rows)


class ReliabilityBin(Frozen):
    """Rows of about the same maximum probability: its mean, and how often the label was right."""

    rows: PositiveInt
    confidence: FiniteFloat
    accuracy: FiniteFloat


class Covered(Frozen):
    """How often prediction sets held the true label, and how many labels they had on average."""

    coverage: Annotated[FiniteFloat, Field(description="As asked for")]
    measured: FiniteFloat
    labels: FiniteFloat
    by_label: Annotated[
        tuple[FiniteFloat | None, ...] | None,
        Field(description="Measured among the rows of each label, in their order; null for a label without rows"),
    ] = None


class Evaluation(Frozen):
    """Tables and pictures of the test rows; the single figures are in `metrics`."""

    confusion: Annotated[tuple[tuple[NonNegativeInt, ...], ...], Field(description="Rows by true, then given label")]
    reliability: tuple[ReliabilityBin, ...]
    reliability_before: Annotated[tuple[ReliabilityBin, ...], Field(description="With the temperature 1")]
    prediction_sets: Annotated[tuple[Covered, ...], Field(description="With marginal coverage")]
    prediction_sets_by_class: Annotated[
        tuple[Covered, ...] | None, Field(description="With coverage by class; older manifests lack it")
    ] = None
    typicality: Annotated[tuple[NonNegativeInt, ...], Field(description="Rows by tenths of (0, 1]")]
