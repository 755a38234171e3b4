"""The sizes of the answers of `/v2`, checked before the model runs."""

from softmaxd.models.answers import AnswerLimits
from softmaxd.models.manifest import ATYPICALITY, OUTPUTS, Manifest
from softmaxd.protocols.v2.codec import InferJob
from softmaxd.protocols.v2.wanted import Wanted

FLOAT32_BYTES, FLOAT64_BYTES = 4, 8
VALUE_BYTES = len(f"{-3e38:f}")  # of the longest float32, in the names of classes
NAME_BYTES = len(":::,") + FLOAT32_BYTES  # of the colons and the comma, or of the length of a binary text


def check_infer(limits: AnswerLimits, job: InferJob) -> None:
    """Refuse a job whose answer would be too large. Raises `AnswerTooLarge`."""
    manifest = job.manifest
    rows = len(job.features)
    if rows * manifest.answer_bytes <= limits.least:
        return
    parts = [_of_a_row(wanted, manifest) for wanted in job.wanted]
    computed = FLOAT32_BYTES * len(manifest.labels)  # by the model, also for an answer with less
    limits.check(rows, numbers=sum(numbers for numbers, _ in parts), size=max(computed, sum(size for _, size in parts)))


def _of_a_row(wanted: Wanted, manifest: Manifest) -> tuple[int, int]:
    """Return the numbers, and the bytes of texts and tensors, that an output has for each row."""
    classes = len(manifest.labels)
    if wanted.classes:
        named = min(wanted.classes, classes)
        return classes, manifest.label_bytes[named] + named * (VALUE_BYTES + len(str(classes)) + NAME_BYTES)
    if wanted.name in OUTPUTS:
        return (0, FLOAT32_BYTES * classes) if wanted.is_binary else (classes, 0)
    if wanted.name == "prediction_sets":  # computed in float64, also for bytes
        named = manifest.label_bytes[classes] if wanted.coverage_by == "class" else 0  # labels without a guarantee
        return classes, named + (classes if wanted.is_binary else 0)
    size = FLOAT32_BYTES if wanted.name == ATYPICALITY else FLOAT64_BYTES
    return (0, size) if wanted.is_binary else (1, 0)
