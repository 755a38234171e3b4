"""The passes of each operation: bodies are read by `plain`, and answers are cut out of the text of a whole batch.

An operation encodes outputs that have blanks in the place of numbers. So it says itself which text is around them.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise, repeat
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from softmaxd.http.compression import accepted_encoding
from softmaxd.http.heads import PlainHead
from softmaxd.http.operation import JSON, Headers, Operation, Reply
from softmaxd.http.passes import Read, Reader, Readers, Texts
from softmaxd.http.turns import LARGE_BYTES
from softmaxd.models.answers import AnswerLimits
from softmaxd.models.calibration import DEFAULT_COVERAGE_BY
from softmaxd.models.inputs import LARGE_BODY
from softmaxd.models.manifest import OUTPUTS, PROBABILITIES
from softmaxd.models.model import Model
from softmaxd.models.outputs import NOT_ASKED, Batch, Features, Outputs, to_json
from softmaxd.numerics.softmax import FEW_CLASSES, Softmax
from softmaxd.numerics.trust import DEFAULT_COVERAGE
from softmaxd.protocols.native.codec import PredictJob, SoftmaxJob, encode_predict, encode_softmax
from softmaxd.protocols.native.operations import Predict
from softmaxd.protocols.native.operations import Softmax as SoftmaxOperation
from softmaxd.protocols.native.sizes import MOST_OF_A_LOGIT
from softmaxd.protocols.plain import Plain, PlainTensors, plain_data, plain_instances, plain_logits, plain_tensors
from softmaxd.protocols.v2.codec import InferJob, encode_infer
from softmaxd.protocols.v2.operations import Infer
from softmaxd.protocols.v2.schemas import JSON_LENGTH
from softmaxd.protocols.v2.wanted import Wanted

BLANK = b"\0"  # it stands in no JSON
FEWEST_LOGITS = 12  # vectors; for fewer, Python's numbers are faster than arrays
MOST_BYTES = LARGE_BYTES // 2  # of an answer: beside it, the memory of a request needs no share of the budget


class Blanks(Outputs):
    """The outputs for one row with this most probable class, with blanks in the place of numbers."""

    __slots__ = ("_class", "_classes")

    def __init__(self, best: int, classes: int) -> None:
        super().__init__(NOT_ASKED.batch, 0, 1)
        self._class = best
        self._classes = classes

    @property
    def best(self) -> list[int]:
        return [self._class]

    def json(self, name: str) -> bytes:
        return b"[[%b]]" % BLANK

    def flat_json(self, name: str) -> bytes:
        return b"[%b]" % BLANK

    def raw(self, name: str) -> memoryview:
        return memoryview(bytes(np.dtype(np.float32).itemsize * self._classes))


class ReadInstances(Read):
    """Bodies of `…/predict` with one row each."""

    def __init__(self, plain: Plain, model: Model, around: Sequence[Sequence[bytes]]) -> None:
        self.indices = plain.indices
        self._features = plain.numbers
        self._model = model
        self._around = around  # the numbers of an answer, by its label

    @property
    def features(self) -> Features:
        return self._features

    def jobs(self, headers: Iterable[Headers]) -> Iterator[PredictJob]:
        for start, _ in enumerate(headers):
            yield _predict_job(self._features[start : start + 1], self._model)

    def texts(self, outputs: Outputs) -> Texts | None:
        if not outputs.batch.is_finite(PROBABILITIES):
            return None
        around = self._around
        texts = outputs.batch.texts(PROBABILITIES)
        return Texts([text.join(around[label]) for label, text in zip(outputs.batch.best, texts, strict=True)])


class PredictReader(Reader):
    """Reads bodies of `…/predict`."""

    def __init__(self, limits: AnswerLimits) -> None:
        self._most_bytes = min(limits.least, MOST_BYTES)
        self._around: WeakKeyDictionary[Model, Sequence[Sequence[bytes]]] = WeakKeyDictionary()

    def kind(self, head: PlainHead) -> bytes | None:
        return _kind_of_json(head)

    def read(self, bodies: Sequence[bytes], kind: bytes, model: Model | None) -> Sequence[Read]:
        assert model is not None
        manifest = model.manifest
        plain = plain_instances(bodies, manifest) if manifest.answer_bytes <= self._most_bytes else None
        return [] if plain is None else [ReadInstances(plain, model, self._around_numbers(model))]

    def _around_numbers(self, model: Model) -> Sequence[Sequence[bytes]]:
        found = self._around.get(model)
        if found is None:
            classes = len(model.manifest.labels)
            job = _predict_job(np.empty((1, 1)), model)
            texts = (encode_predict(Blanks(label, classes), job) for label in range(classes))
            found = self._around[model] = [text.split(BLANK) for text in texts]
        return found


def _predict_job(features: Features, model: Model) -> PredictJob:
    return PredictJob(features, model.manifest, (), None, DEFAULT_COVERAGE, DEFAULT_COVERAGE_BY)


class ReadLogits(Read):
    """Bodies of `/softmax` with one vector each, all of one length."""

    def __init__(self, plain: Plain) -> None:
        self.indices = plain.indices
        self._logits = plain.numbers

    @property
    def features(self) -> Features:
        return self._logits

    def jobs(self, headers: Iterable[Headers]) -> Iterator[SoftmaxJob]:
        for logits, _ in zip(self._logits.tolist(), headers, strict=True):
            yield SoftmaxJob(None, [logits], True, 1.0, None, ())

    def texts(self, outputs: Outputs) -> Texts | None:
        if len(self._logits) < FEWEST_LOGITS:
            return Texts([encode_softmax(job) for job in self.jobs(repeat((), len(self._logits)))])
        texts = to_json(Softmax(self._logits).probabilities)[2:-2].split(b"],[")
        return Texts([b'{"probabilities":[%b]}' % text for text in texts])


class SoftmaxReader(Reader):
    """Reads bodies of `/softmax`."""

    fewest = FEWEST_LOGITS

    def __init__(self, limits: AnswerLimits) -> None:
        self._max_classes = min(limits.numbers // MOST_OF_A_LOGIT, FEW_CLASSES)

    def kind(self, head: PlainHead) -> bytes | None:
        return _kind_of_json(head)

    def read(self, bodies: Sequence[bytes], kind: bytes, model: Model | None) -> Sequence[Read]:
        return [ReadLogits(plain) for plain in plain_logits(bodies, max_classes=self._max_classes)]


class Form(NamedTuple):
    """The form of the answers of `…/infer` to one row, as numbers or as bytes."""

    names: Sequence[str]  # of the outputs
    reply: Reply  # with blanks, or with zeros
    around: Sequence[bytes]  # the numbers, or before the bytes

    def fill(self, batch: Batch) -> Texts:
        """Return the answer to each row of a batch."""
        if self.reply.media_type is JSON:
            columns: list[Iterable[bytes | memoryview]] = [repeat(self.around[0])]
            for name, text in zip(self.names, self.around[1:], strict=True):
                columns += (batch.texts(name), repeat(text))
        else:
            columns = [repeat(self.around[0]), *(_cut(*batch.raw(name)) for name in self.names)]
        return Texts(list(map(b"".join, zip(*columns, strict=False))), self.reply.media_type, self.reply.headers)


def _cut(values: memoryview, row: int) -> Iterator[memoryview]:
    return (values[start : start + row] for start in range(0, len(values), row))


def _form(wanted: Sequence[Wanted], model: Model) -> Form | None:
    """Return the form of answers with these outputs, without classes; None if it has numbers beside bytes."""
    if any(each.name not in OUTPUTS or each.is_binary != wanted[0].is_binary for each in wanted):
        return None
    manifest = model.manifest
    reply = encode_infer(Blanks(0, len(manifest.labels)), InferJob(np.empty((1, 1)), manifest, None, wanted, None))
    json_bytes = len(reply.body) if reply.media_type is JSON else int(dict(reply.headers)[JSON_LENGTH])
    return Form([each.name for each in wanted], reply, reply.body[:json_bytes].split(BLANK))


Forms = dict[tuple[tuple[str, bool], ...], Form | None]  # few: clients choose among two outputs, as numbers or bytes


class ReadTensors(Read):
    """Bodies of `…/infer`."""

    def __init__(self, plain: PlainTensors, model: Model, forms: Forms) -> None:
        self.indices = plain.indices
        self._plain = plain
        self._model = model
        self._forms = forms  # of the answers of this model

    @property
    def features(self) -> Features:
        return self._plain.numbers

    def jobs(self, headers: Iterable[Headers]) -> Iterator[InferJob]:
        plans, manifest = self._plain.plans, self._model.manifest
        places = pairwise(accumulate((plan.rows for plan in plans), initial=0))
        for plan, (start, stop), fields in zip(plans, places, headers, strict=True):
            accepted = dict(fields).get(b"accept-encoding")
            encoding = None if accepted is None else accepted_encoding(accepted)
            yield InferJob(self._plain.numbers[start:stop], manifest, plan.id, plan.wanted, encoding)

    def texts(self, outputs: Outputs) -> Texts | None:
        plans, batch = self._plain.plans, outputs.batch
        first = plans[0]
        if first.rows > 1 or any(plan is not first and plan != first for plan in plans):
            return None
        if first.id is not None or any(each.classes for each in first.wanted):  # any: their forms would never end
            return None
        key = tuple((each.name, each.is_binary) for each in first.wanted)
        if key not in self._forms:
            self._forms[key] = _form(first.wanted, self._model)
        form = self._forms[key]
        return form.fill(batch) if form and all(map(batch.is_finite, form.names)) else None


class InferReader(Reader):
    """Reads bodies of `…/infer`."""

    def __init__(self, limits: AnswerLimits, max_rows: int) -> None:
        self._most_bytes = min(limits.least, MOST_BYTES)
        self._max_rows = max_rows
        self._forms: WeakKeyDictionary[Model, Forms] = WeakKeyDictionary()

    def kind(self, head: PlainHead) -> bytes | None:
        """Return the bytes of the JSON before a tensor, as digits; empty for JSON alone."""
        lengths = [value for name, value in head.headers if name == JSON_LENGTH]
        if not lengths:
            return _kind_of_json(head)
        is_plain = lengths[-1].isdigit() and not head.encoding and head.body_bytes < LARGE_BODY
        return lengths[-1] if is_plain else None

    def read(self, bodies: Sequence[bytes], kind: bytes, model: Model | None) -> Sequence[Read]:
        assert model is not None
        manifest = model.manifest
        max_rows = min(self._max_rows, self._most_bytes // manifest.answer_bytes)
        if kind:
            plain = plain_tensors(bodies, [kind] * len(bodies), manifest, max_rows=max_rows)
        else:
            plain = plain_data(bodies, manifest, max_rows=max_rows)
        return [] if plain is None else [ReadTensors(plain, model, self._forms.setdefault(model, {}))]


def _kind_of_json(head: PlainHead) -> bytes | None:
    return None if head.encoding or head.body_bytes >= LARGE_BODY else b""


def readers(operations: Iterable[Operation], limits: AnswerLimits, *, max_rows: int) -> Readers:
    """Return the reader of each operation that has one."""
    found: dict[Operation, Reader] = {}
    for operation in operations:
        match operation:
            case Predict():
                found[operation] = PredictReader(limits)
            case SoftmaxOperation():
                found[operation] = SoftmaxReader(limits)
            case Infer():
                found[operation] = InferReader(limits, max_rows)
    return found
