"""The sizes of native answers, checked before softmax or a model is computed."""

from collections.abc import Sequence

from softmaxd.models.answers import AnswerLimits
from softmaxd.models.hopeless import check_rows
from softmaxd.protocols.native.codec import PredictJob
from softmaxd.protocols.native.schemas import SoftmaxRequest

MATRICES = {"log_probabilities", "sigmoid", "logits", "prediction_sets"}  # a number or a label for each class
COLUMNS = {"loss", "entropy", "typicality"}  # a number for each row
MOST_OF_A_LOGIT = 5  # numbers in an answer to rows of one logit, with every field
RANKED_BYTES = len('{"label":,"probability":}')


def check_softmax(limits: AnswerLimits, max_rows: int, rows: int, classes: int, request: SoftmaxRequest) -> None:
    """Refuse too many rows, or too large an answer to them. Raises `TooLarge` or `AnswerTooLarge`."""
    check_rows(rows, max_rows)
    if MOST_OF_A_LOGIT * rows * classes > limits.numbers:
        limits.check(rows, numbers=classes + _included(request.get("include", ()), classes))


def check_predict(limits: AnswerLimits, job: PredictJob) -> None:
    """Refuse a job whose answer would be too large. Raises `AnswerTooLarge`."""
    manifest = job.manifest
    rows = len(job.features)
    if rows * manifest.answer_bytes <= limits.least:
        return
    classes = len(manifest.labels)
    size = manifest.label_bytes[1] + manifest.unknown_bytes
    if job.top_k is not None:  # all classes are computed, and sorted
        size += manifest.label_bytes[job.top_k] + job.top_k * RANKED_BYTES
    if "prediction_sets" in job.include:  # with coverage by class, labels without a guarantee are named, too
        size += manifest.label_bytes[classes] * (2 if job.coverage_by == "class" else 1)
    limits.check(rows, numbers=classes + _included(job.include, classes), size=size)


def _included(include: Sequence[str], classes: int) -> int:
    """Return how many numbers the fields of `include` have for each row."""
    return classes * len(MATRICES.intersection(include)) + len(COLUMNS.intersection(include))
