"""Runs a soak: load to warm up, a rest, load again, a rest; and tells all that is wrong or left over."""

import contextlib
import itertools
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.onnx_models import publish, publish_slow
from tests.support.paths import MODELS
from tests.support.server import Server
from tests.support.soaking.clients import Client, Tally
from tests.support.soaking.questions import content_of, questions
from tests.support.soaking.usage import FOLDER, LEAKS, Usage, at_rest, counts
from tests.support.waiting import SECONDS, until

MOST_GROWTH = 20 * 2**20
CLIENTS = 8
WARM_UP = 0.5  # of the time
SECONDS_BETWEEN_VERSIONS = 1.0
BROKEN_ONE_IN = 5  # versions
PROGRAM = "tests.support.soaking.server"


@dataclass(frozen=True)
class Report:
    """The answers by outcome, the usage before and after, and the problems: one sentence each."""

    counts: Counter[str]
    before: Mapping[int, Usage]
    after: Mapping[int, Usage]
    problems: list[str]

    def __str__(self) -> str:
        growth = sum(each.resident for each in self.after.values()) - sum(
            each.resident for each in self.before.values()
        )
        return f"{dict(self.counts)}\ngrowth: {growth / 2**20:.1f} MiB\nbefore: {self.before}\nafter: {self.after}"


class Versions(threading.Thread):
    """Publishes versions of the model `linear`, good ones and broken ones, and deletes the old ones."""

    def __init__(self, models: Path, url: str, numbers: Iterator[int], tally: Tally) -> None:
        super().__init__()
        self.stopped = threading.Event()
        self.published = 0
        self._tally = tally
        self._models = models
        self._url = url
        self._numbers = numbers

    def run(self) -> None:
        """Publish one version at least."""
        try:
            self._publish_all()
        except Exception as error:  # as for a client
            versions = httpx.get(f"{self._url}/models", timeout=SECONDS).json()
            self._tally.accuse(f"a version is not served: {error!r}, {versions}")

    def _publish_all(self) -> None:
        while self.published == 0 or not self.stopped.wait(SECONDS_BETWEEN_VERSIONS):
            number = next(self._numbers)
            if number % BROKEN_ONE_IN == 0:
                publish(self._models, number, b"broken")
            else:
                self._publish(number)

    def _publish(self, number: int) -> None:
        """Publish a good version, and delete the others once it is served by a worker."""
        publish(self._models, number, content_of(number))
        until(lambda: self._is_served(number))
        self.published += 1
        for folder in sorted((self._models / "linear").iterdir()):
            if folder.name.isdecimal() and int(folder.name) < number:
                shutil.rmtree(folder)

    def _is_served(self, number: int) -> bool:
        path = f"/v2/models/linear/versions/{number}/ready"
        return httpx.get(self._url + path, timeout=SECONDS).status_code == httpx.codes.OK


class Soak:
    """A server of its own with the committed models and one that changes, and its clients."""

    def __init__(self, folder: Path, *, workers: int, leaks: str = "") -> None:
        self._models = folder / "models"
        shutil.copytree(MODELS, self._models)
        publish_slow(self._models)
        self._numbers = itertools.count(1)
        publish(self._models, next(self._numbers), content_of(1))
        self._folder = folder / "told"
        self._folder.mkdir()
        environment = {
            FOLDER: str(self._folder),
            LEAKS: leaks,
            "SOFTMAXD_MODELS_DIR": str(self._models),
            "SOFTMAXD_RELOAD_INTERVAL": "0.2",
            "SOFTMAXD_WORKERS": str(workers),
        }
        self._questions = questions(self._models)
        self.server = Server(environment=environment, program=(PROGRAM,))
        self._tally = Tally()

    def run(self, seconds: float) -> Report:
        """Soak for so long, and stop the server."""
        self._load(WARM_UP * seconds)
        before = at_rest(self.server.process.pid, self._folder)
        self._load((1 - WARM_UP) * seconds)
        after = at_rest(self.server.process.pid, self._folder)
        code = self.server.stop()
        problems = [*self._left_over(before, after), *self._faults(code)]
        return Report(self._tally.counts, before, after, problems)

    def _load(self, seconds: float) -> None:
        versions = Versions(self._models, self.server.url, self._numbers, self._tally)
        clients = [Client(number, self.server.port, self._questions, self._tally) for number in range(CLIENTS)]
        threads: list[Versions | Client] = [versions, *clients]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        for thread in threads:
            thread.stopped.set()
        for thread in threads:
            thread.join()
        self._tally.counts["versions"] += versions.published

    def _left_over(self, before: Mapping[int, Usage], after: Mapping[int, Usage]) -> Iterator[str]:
        if set(before) != set(after):
            yield f"other processes: {set(before)}, then {set(after)}"
            return
        # A model that a busy machine let run for too long once has a thread from then on.
        moved = sum("it runs in threads from now on" in str(line["message"]) for line in self.server.messages())
        for pid, old in before.items():
            new = after[pid]
            if new.resident - old.resident > MOST_GROWTH:
                yield f"resident memory: {old.resident}, then {new.resident} bytes"
            for name, was, now in zip(COUNTED, counts(before)[pid], counts(after)[pid], strict=True):
                if now > was + (moved if name == "threads" else 0):
                    yield f"{name}: {was}, then {now}"

    def _faults(self, code: int) -> Iterator[str]:
        yield from (f"wrong answer: {sentence}" for sentence in self._tally.wrong)
        if code != 0:
            yield f"exit code: {code}"
        for message in self.server.messages():
            if message["level"] in {"ERROR", "CRITICAL"} and not str(message["message"]).startswith("rejected linear"):
                yield f"log line: {message}"


COUNTED = ("descriptors", "threads", "tasks")


@contextlib.contextmanager
def soaking(*, workers: int, leaks: str = "") -> Iterator[Soak]:
    """Give a soak; its server and folder are gone in the end."""
    with tempfile.TemporaryDirectory(prefix="softmaxd-soak-") as folder:
        soak = Soak(Path(folder), workers=workers, leaks=leaks)
        try:
            yield soak
        finally:
            if soak.server.process.poll() is None:
                soak.server.stop()
