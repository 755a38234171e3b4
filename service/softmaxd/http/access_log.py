"""Writes a log line for each request that the settings ask for: never a body, a value or a key."""

import logging
from random import random

from softmaxd.http.ids import Ids, describe
from softmaxd.http.operation import Job
from softmaxd.logs import Limit
from softmaxd.models.model import Model
from softmaxd.settings import Settings, access_share

LEAST_ERROR = 500
MOST_CHARACTERS = 200  # of a text of the client

logger = logging.getLogger(__name__)


class AccessLog:
    """The access log of one lane of a process."""

    def __init__(self, settings: Settings) -> None:
        self._share = access_share(settings.access_log)
        self._slow = settings.slow_request_seconds
        self.quiet_seconds = -1.0 if self._share > 0 else self._slow  # no good answer within this time gets a line
        self._limit = Limit()

    def wants(self, status: int, seconds: float) -> bool:
        """Return True if a request with this answer, after these seconds, gets a line."""
        return status >= LEAST_ERROR or seconds > self._slow or (self._share > 0 and random() < self._share)  # noqa: S311

    def write(self, ids: Ids, method: str, path: str, status: int, *, seconds: float = 0, **others: object) -> None:
        """Write the line. Fields that are empty are left out."""
        is_frequent = self._share < 1 and (status >= LEAST_ERROR or seconds > self._slow)
        left_out = self._limit.take() if is_frequent else 0  # clients can cause such lines at any rate
        if left_out is None:
            return
        fields = {
            **{"method": method, "path": path, "status": status, "seconds": round(seconds, 6)},
            **others,
            "left_out": left_out,
        }
        found = {name: _short(value) for name, value in fields.items() if value}
        line = f"{method} {_short(path)}" if method else "no request"
        logger.info("%s: %d", line, status, extra={**describe(ids), **found})


def facts(model: Model | None, job: Job | None) -> dict[str, object]:
    """Return the fields of a request that is decoded, or of one that is not, without a job."""
    manifest = model.manifest if model else None
    return {
        "model": manifest and manifest.name,
        "version": manifest and str(manifest.version),
        "rows": None if job is None or job.features is None else len(job.features),
        "infer_id": getattr(job, "id", None),  # of /v2, which the client chose
    }


def _short(value: object) -> object:
    return f"{value[:MOST_CHARACTERS]}…" if isinstance(value, str) and len(value) > MOST_CHARACTERS else value
