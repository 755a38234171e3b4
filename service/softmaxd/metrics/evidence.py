"""The evidence of drift for one version of a model: one martingale for all workers, in a file that they share.

Each worker bets on its own rows in turn, with the money and the rows of all. Martingales of their own would depend on
each other through the calibration rows, and neither their mean nor their product would keep the promise.
"""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from softmaxd.errors import StartupError
from softmaxd.logs import RareLines
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Array
from softmaxd.numerics.martingale import Martingale

HELD = 300.0  # seconds for which the evidence stays at its peak: a shift may become usual between two scrapes
MOST_ROWS = 32  # of each worker between two saves, twice a second: a bet takes some microseconds

logger = logging.getLogger(__name__)


def check_folder(folder: Path | None) -> None:
    """Raise `StartupError` if there is a folder in which no file can be written."""
    if folder is None:
        return
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StartupError(f"drift_dir: no file can be written in {folder}: {error.strerror}") from error


class Evidence:
    """Takes rows of a version with calibration data, and bets on them at every `save`.

    `name` is another one if the version is published anew with other calibration data.
    """

    def __init__(self, manifest: Manifest, folder: Path | None) -> None:
        assert manifest.calibration is not None
        self._atypicality = manifest.calibration.atypicality_array
        self._martingale = Martingale(kept=len(self._atypicality), rows=manifest.calibration.rows)
        self._peak = np.zeros(2)  # the most money, and the time when it was reached
        digest = sha256(self._atypicality.tobytes()).hexdigest()[:16]  # a version may be published anew
        self.name = f"drift-{manifest.name}-{manifest.version}-{digest}"
        self._file = None if folder is None else folder / self.name
        self._ranks: list[int] = []
        self._lines = RareLines(logger)

    def take(self, atypicality: Array) -> None:
        """Keep some of these rows [n] for the next save: at even distances, so that the choice says nothing of them."""
        room = MOST_ROWS - len(self._ranks)
        if room > 0:
            step = -(-len(atypicality) // room)
            self._ranks += np.searchsorted(self._atypicality, atypicality[::step], side="left").tolist()

    def save(self) -> None:
        """Bet on the rows that were kept; they wait while another worker bets, or while its file cannot be opened."""
        if not self._ranks:
            return
        if self._file is None:
            self._bet()
            return
        try:
            with _locked(self._file) as descriptor:
                self._read(descriptor)
                self._bet()
                os.pwrite(descriptor, self._peak.tobytes() + self._martingale.state.tobytes(), 0)
        except BlockingIOError:  # another worker bets
            return
        except OSError as error:
            self._lines.warning("the evidence of drift cannot be kept in %s: %s", self._file, error.strerror)

    @property
    def value(self) -> float:
        """The most money that the gambler had in the last minutes, with the last bets of all workers."""
        if self._file is not None:
            with suppress(OSError):  # nobody has bet yet
                descriptor = os.open(self._file, os.O_RDONLY)
                try:
                    self._read(descriptor)
                finally:
                    os.close(descriptor)
        return max(self._martingale.value, float(self._peak[0]) if self._is_held() else 0.0)

    def _bet(self) -> None:
        highest = self._martingale.add(self._ranks)
        self._ranks = []
        if highest >= self._peak[0] or not self._is_held():
            self._peak[:] = highest, time.time()

    def _is_held(self) -> bool:
        return bool(abs(time.time() - self._peak[1]) < HELD)  # also after the clock was set back

    def _read(self, descriptor: int) -> None:
        """Take over the state that a file has; a new one is empty."""
        peak, state = self._peak, self._martingale.state
        content = os.pread(descriptor, peak.nbytes + state.nbytes, 0)
        if len(content) == peak.nbytes + state.nbytes:
            numbers = np.frombuffer(content)
            peak[:], state[:] = numbers[: len(peak)], numbers[len(peak) :]


@contextmanager
def _locked(file: Path) -> Iterator[int]:
    """Open a file for this process alone. Raises `OSError`, also while another one has it."""
    import fcntl  # noqa: PLC0415 - Windows has no such module

    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)
