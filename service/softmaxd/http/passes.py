"""The plain requests that arrived in one turn of the event loop are read, run and written in one pass.

A pass has the requests of one operation, model and kind of body. A reader takes the plain bodies among theirs, and
knows that the schema would take them with the same numbers. All others go their own way, each to the schema once.
"""

import logging
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from softmaxd.http.answered import record
from softmaxd.http.express import Call, ExpressLane
from softmaxd.http.heads import UNASKED, PlainHead
from softmaxd.http.ids import new_ids
from softmaxd.http.operation import JSON, Headers, Job, Operation, Reply
from softmaxd.http.replies import OK, SHORT, TAILS, own_part, tail_of
from softmaxd.models.model import Model
from softmaxd.models.outputs import NOT_ASKED, Features, Outputs

logger = logging.getLogger(__name__)
keeps_alive, is_begun = attrgetter("keep_alive"), attrgetter("is_begun")


@dataclass(slots=True)
class Texts:
    """The bodies of answers with status 200, of one length unless they are JSON, and the fields of their heads."""

    bodies: Sequence[bytes]
    media_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Read(ABC):
    """Plain bodies that were read together."""

    indices: Sequence[int]  # of these bodies, among those that were given

    @property
    @abstractmethod
    def features(self) -> Features:
        """The rows of all these bodies, for the model."""

    @abstractmethod
    def jobs(self, headers: Iterable[Headers]) -> Iterator[Job]:
        """Return the job of each body, as the operation decodes it."""

    @abstractmethod
    def texts(self, outputs: Outputs) -> Texts | None:
        """Return the answer to each body, given the outputs for all; None if the operation must encode them."""


class Reader(ABC):
    """Reads bodies of one operation together, from `fewest` on; fewer are answered faster one by one."""

    fewest = 2

    @abstractmethod
    def kind(self, head: PlainHead) -> bytes | None:
        """Return the kind of the body behind a head; None if it is never plain."""

    @abstractmethod
    def read(self, bodies: Sequence[bytes], kind: bytes, model: Model | None) -> Sequence[Read]:
        """Return the plain ones among bodies of one kind."""


Readers = Mapping[Operation, Reader]


Key = tuple[Operation, Model | None, bytes | None]  # the kind of body last


class Passes:
    """The passes of one express lane."""

    def __init__(self, lane: ExpressLane, readers: Readers) -> None:
        self._lane = lane
        self._readers = readers

    def answer(self, calls: Sequence[Call]) -> list[Call]:
        """Answer the plain requests among those that arrived in one turn; return the others."""
        groups: dict[Key, list[Call]] = defaultdict(list)
        others = self.read_heads(calls, groups)
        for (operation, model, kind), alike in groups.items():
            reader = self._readers.get(operation)
            if reader is None or kind is None or len(alike) < reader.fewest:
                others += _begun(alike, model)
            else:
                others += self._pass(reader, kind, model, alike)
        return others

    def read_heads(self, calls: Sequence[Call], groups: dict[Key, list[Call]]) -> list[Call]:
        """Read the known heads of requests, and add these to the groups; return the others.

        Most have the same head as the one before them, so their bytes are compared first.
        """
        find_known = self._lane.heads.find_known
        others: list[Call] = []
        head, size, model = b"", -1, None
        group: list[Call] | None = None
        for call in calls:
            data, ids = call.held, None
            if data is None:
                if not call.response_complete:  # its client is still there
                    groups[call.operation, call.model, self._kind(call.plain)].append(call)
                continue
            if len(data) != size or not data.startswith(head):
                known, ids, end = find_known(data)
                if known is None or len(data) != end + known.body_bytes or self._kind(known) is None:
                    others.append(call)
                    size = -1
                    continue
                head, size, group = data[:end], len(data) if ids is None else -1, None
                plain, (operation, name, version) = known, known.target
            ids = ids or new_ids()
            try:
                found = operation.find(name, version, ids[0][1])
            except Exception:  # whatever it is, the ASGI lane finds it again, and answers
                others.append(call)
                continue
            if group is None or found is not model:
                model, group = found, groups[operation, found, plain.kind]
            call.read(plain, ids, data[end:])
            group.append(call)
        return others

    def _kind(self, plain: PlainHead) -> bytes | None:
        if plain.kind is UNASKED:
            reader = self._readers.get(plain.target[0])
            plain.kind = None if reader is None else reader.kind(plain)
        return plain.kind

    def _pass(self, reader: Reader, kind: bytes, model: Model | None, calls: list[Call]) -> list[Call]:
        """Answer the plain ones of these requests; return the others."""
        since = time.monotonic()
        try:
            for read in reader.read([call.body for call in calls], kind, model):
                self._run(read, [calls[index] for index in read.indices], model, since)
        except Exception:  # a bug must not keep the others from their answers; each of them may hit it again alone
            logger.exception("a pass failed")
        return _begun((call for call in calls if not call.response_complete and call.waiting is None), model)

    def _run(self, read: Read, calls: list[Call], model: Model | None, since: float) -> None:
        if model is None:
            self._write(read, calls, NOT_ASKED, model)
            return
        outcome = model.batcher.run_now(read, len(calls), since)
        if isinstance(outcome, Outputs):
            self._write(read, calls, outcome, model)
            return
        for call, job in zip(_begun(calls, model), _jobs(read, calls), strict=True):
            call.body = b""
            call.submit(job, alone=outcome is not None)
        model.batcher.flush()

    def _write(self, read: Read, calls: list[Call], outputs: Outputs, model: Model | None) -> None:
        texts = read.texts(outputs)
        lane = self._lane
        is_last = lane.lifecycle.leaving or not all(map(keeps_alive, calls))
        if is_last or texts is None or max(map(len, texts.bodies)) >= SHORT:
            self._finish_each(read, _begun(calls, model), outputs)
            return
        seconds = _write_texts(texts, calls)
        lane.lifecycle.in_flight -= sum(map(is_begun, calls))
        lane.turns.small_answered += len(calls)
        lane.metrics.count_requests(calls[0].plain.target[0].path, OK, "express", seconds, model)
        if max(seconds) > lane.quiet_seconds:
            reply = Reply(b"", OK)
            for call, job, took in zip(calls, _jobs(read, calls), seconds, strict=True):
                if took > lane.quiet_seconds:
                    call.job, call.model = job, model
                    record(call, reply, took, call.connection.client)
                    call.job = None

    def _finish_each(self, read: Read, calls: list[Call], outputs: Outputs) -> None:
        """Let the operation encode the answers, one by one."""
        start = 0
        for call, job in zip(calls, _jobs(read, calls), strict=True):
            stop = start + (0 if job.features is None else len(job.features))
            call.body, call.job = b"", job
            call.finish(Outputs(outputs.batch, start, stop))
            start = stop


def _begun(calls: Iterable[Call], model: Model | None) -> list[Call]:
    """Begin the requests whose heads alone are read, and return all."""
    found = list(calls)
    for call in found:
        if not call.is_begun:
            call.connection.begin(call, model, call.plain, call.ids)
    return found


def _jobs(read: Read, calls: Iterable[Call]) -> Iterator[Job]:
    return read.jobs(call.plain.headers for call in calls)


def _write_texts(texts: Texts, calls: Sequence[Call]) -> list[float]:
    """Write answers, and return the seconds that each request has taken."""
    tails: Sequence[bytes] | Mapping[int, bytes] = TAILS
    if texts.media_type is not JSON:
        tails = {len(body): tail_of(Reply(body, OK, texts.media_type, texts.headers)) for body in texts.bodies[:1]}
    first = calls[0]
    begin = first.lane.ok_replies.begin(first.connection.server_state.default_headers)
    join, clock = b"".join, time.perf_counter
    seconds = []
    for call, body in zip(calls, texts.bodies, strict=True):
        call.body = b""
        call.connection.send_ok(call, join((begin, own_part(call.ids), tails[len(body)], body)))
        seconds.append(clock() - call.start)
    return seconds


def answer_together(lane: ExpressLane, readers: Readers) -> None:
    """Let the plain requests of a turn be answered together from now on."""
    lane.answer_plain = Passes(lane, readers).answer
