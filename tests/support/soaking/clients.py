"""The clients of a soak: some are plain, others slow, impatient, or not speaking HTTP at all."""

import contextlib
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import BinaryIO

from tests.support.soaking.answers import Answer, read_answer
from tests.support.soaking.questions import Question
from tests.support.sockets import connect

LARGE = 64 * 1024  # bytes of a request that is not pipelined
BUSY = {429, 503, 504}  # documented statuses of a service that has too much to do
RETRY = {429, 503}  # with `Retry-After`
RESET = struct.pack("ii", 1, 0)  # of SO_LINGER: close with a reset
MOST_EXCERPT = 300

Behaviour = Callable[["Client"], None]


class Tally:
    """Counts the answers of all clients, and keeps those that are wrong."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._lock = threading.Lock()

    def judge(self, question: Question, answer: Answer) -> None:
        """Count an answer by its outcome."""
        outcome = _outcome(question, answer)
        with self._lock:
            self.counts[outcome] += 1
            if outcome == "wrong":
                excerpt = f"{question.name}: {answer.status} {dict(answer.fields)} {answer.body[:MOST_EXCERPT]!r}"
                self.wrong.append(excerpt)

    def count(self, outcome: str) -> None:
        """Count anything else."""
        with self._lock:
            self.counts[outcome] += 1

    def accuse(self, sentence: str) -> None:
        """Keep a fault that is no answer."""
        with self._lock:
            self.counts["wrong"] += 1
            self.wrong.append(sentence)


def _outcome(question: Question, answer: Answer) -> str:
    if answer.status in BUSY:
        return "busy" if answer.status not in RETRY or b"retry-after" in answer.fields else "wrong"
    try:
        return "right" if question.check(answer.status, answer.body) else "wrong"
    except (ValueError, KeyError, TypeError):
        return "wrong"


class Client(threading.Thread):
    """Behaves in one way after the other until it is told to stop."""

    def __init__(self, number: int, port: int, questions: Mapping[str, Question], tally: Tally) -> None:
        super().__init__()
        self.chance = random.Random(number)  # noqa: S311 - no secret depends on it
        self.tally = tally
        self.stopped = threading.Event()
        self._port = port
        self._questions = list(questions.values())
        self._small = [each for each in self._questions if len(each.content) < LARGE]

    def run(self) -> None:
        """Ask every question twice, as all clients do at the same time; then behave, in each way once at least."""
        for question in self._questions * 2:
            self._behave(partial(ask, [question]))
        for behaviour in BEHAVIOURS:
            self._behave(behaviour)
        behaviours = [behaviour for behaviour, share in BEHAVIOURS.items() for _ in range(share)]
        while not self.stopped.is_set():
            self._behave(self.chance.choice(behaviours))

    def _behave(self, behaviour: Behaviour) -> None:
        try:
            behaviour(self)
        except Exception as error:  # a client that dies in silence would prove nothing
            self.tally.accuse(f"{behaviour}: {error!r}")
        else:
            self.tally.count(getattr(behaviour, "__name__", ask.__name__))

    def connect(self) -> contextlib.closing[socket.socket]:
        """Return a new connection."""
        return contextlib.closing(connect(self._port))

    def any_question(self) -> Question:
        """Return a question; most are small."""
        return self.chance.choice(self._questions if self.chance.random() < 0.1 else self._small)

    def small(self, count: int) -> Sequence[Question]:
        """Return some small questions."""
        return [self.chance.choice(self._small) for _ in range(count)]

    def pause(self, most: float) -> None:
        """Wait for a while."""
        time.sleep(self.chance.uniform(0, most))

    def judge(self, question: Question, stream: BinaryIO) -> bool:
        """Judge the next answer, and return whether another one may come."""
        answer = read_answer(stream)
        self.tally.judge(question, answer)
        return not answer.closes


def plain(client: Client) -> None:
    """Ask one question after the other on a connection."""
    ask([client.any_question() for _ in range(client.chance.randint(1, 20))], client)


def ask(questions: Sequence[Question], client: Client) -> None:
    """Ask these questions, up to one whose answer closes the connection."""
    with client.connect() as connection, connection.makefile("rb") as stream:
        for question in questions:
            connection.sendall(question.content)
            if not client.judge(question, stream):
                return


def pipelined(client: Client) -> None:
    """Ask several small questions at once; the answers come in their order, up to one that closes."""
    asked = client.small(client.chance.randint(2, 16))
    with client.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(b"".join(question.content for question in asked))
        for question in asked:
            if not client.judge(question, stream):
                return


def slow(client: Client) -> None:
    """Send a small question in pieces."""
    question = client.small(1)[0]
    content, step = question.content, 1 + len(question.content) // client.chance.randint(2, 6)
    with client.connect() as connection, connection.makefile("rb") as stream:
        for start in range(0, len(content), step):
            connection.sendall(content[start : start + step])
            client.pause(0.1)
        client.judge(question, stream)


def slow_reader(client: Client) -> None:
    """Ask for large answers, and read the first one late."""
    question = max((client.any_question() for _ in range(10)), key=lambda each: len(each.content))
    with client.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(question.content)
        client.pause(0.5)
        client.judge(question, stream)


def impatient(client: Client) -> None:
    """Leave in the middle of a question, or before its answer, with a reset or without."""
    content = client.any_question().content
    end = client.chance.choice([len(content), client.chance.randrange(len(content))])
    with client.connect() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(content[:end])
        client.pause(0.05)
        if client.chance.random() < 0.5:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def half_closing(client: Client) -> None:
    """Say that nothing more comes, after a question or in the middle of it; the whole one is answered."""
    question = client.small(1)[0]
    size = len(question.content)
    end = client.chance.choice([size, client.chance.randint(1, size)])
    with client.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(question.content[:end])
        connection.shutdown(socket.SHUT_WR)
        if end == size:
            client.judge(question, stream)
        else:
            connection.recv(65536)


def idle(client: Client) -> None:
    """Connect and say nothing."""
    with client.connect():
        client.pause(0.5)


def stranger(client: Client) -> None:
    """Send bytes that are not HTTP."""
    with client.connect() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(client.chance.randbytes(client.chance.randint(1, 1000)))
        connection.shutdown(socket.SHUT_WR)
        connection.recv(65536)


BEHAVIOURS: Mapping[Behaviour, int] = {  # with their shares
    plain: 6,
    pipelined: 4,
    slow: 2,
    slow_reader: 1,
    impatient: 3,
    half_closing: 1,
    idle: 1,
    stranger: 1,
}
