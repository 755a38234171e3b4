"""The deadlines of a connection, which one sweep over all connections checks."""

from abc import ABC
from typing import Any

from softmaxd.errors import RequestTimeout
from softmaxd.http.flow import has_bytes
from softmaxd.http.reading import BODY, Phase, Reader
from softmaxd.http.replies import UnreadBytes
from softmaxd.settings import Settings

LINGER_BODIES = 8  # largest bodies, of which a client may send the bytes after the last response
LINGER_SECONDS = 3  # after the last response, until the connection closes
UNUSED_SECONDS = 1  # in a drain, until an idle connection closes
LATE = "{} did not arrive within {:g} s"
PROBE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Timed(Reader, ABC):
    """A connection that does not wait forever, neither for its client to send nor to read."""

    def __init__(self, *args: Any, settings: Settings, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settings = settings
        self._unread = UnreadBytes()
        self._dropped = 0  # bytes after the last response

    def close_unused(self, now: float) -> None:
        """Close the connection unless it is in use, or was a moment ago: its client may be sending the next request."""
        self.sweep(now)
        assert self._since is not None
        is_used = self._phase is BODY or self._is_busy or self._parsed < len(self._received)
        if not is_used and now - self._since > UNUSED_SECONDS and not has_bytes(self.transport):
            self.transport.close()

    def sweep(self, now: float) -> None:
        """Close the connection if it has been in its present state for too long; called about twice a second."""
        self._since = now if self._since is None else self._since
        unread, is_closing = self.transport.get_write_buffer_size(), self.transport.is_closing()
        is_left = is_closing and not unread and now - self._since > LINGER_SECONDS  # TLS waits for its client to close
        if self._unread.seconds(unread, now) > self._settings.request_timeout or is_left:
            self.transport.abort()
        elif not is_closing:
            self._check_deadline(now - self._since)

    def _check_deadline(self, seconds: float) -> None:
        """Act on a connection that has been in its present state for these seconds."""
        settings = self._settings
        match self._phase:
            case Phase.LAST:
                if seconds > LINGER_SECONDS:
                    self.transport.close()
            case Phase.BODY:
                if seconds > settings.request_timeout:
                    self._refuse(RequestTimeout(LATE.format("The request", settings.request_timeout)))
            case Phase.IDLE if self._is_busy:  # the client waits for us
                if self._client_ended and seconds > 0:
                    self._probe()
            case Phase.IDLE:
                if seconds > (settings.header_timeout if self.cycle is None else settings.keep_alive_timeout):
                    self.transport.close()
            case _:
                if seconds > settings.header_timeout:
                    self._refuse(RequestTimeout(LATE.format("The request line and headers", settings.header_timeout)))

    def _probe(self) -> None:
        """Find out whether a client that has ended its side still waits: if it has left, this closes the connection.

        An interim response may be sent at any time (RFC 9110, section 15.2), but not to HTTP/1.0.
        """
        if self.parser.get_http_version() == "1.1" and not getattr(self.cycle, "response_started", False):
            self.transport.write(PROBE)

    def _drop(self, size: int) -> None:
        """Drop bytes after the last response, as long as there are not too many."""
        self._dropped += size
        if self._dropped > LINGER_BODIES * self._settings.max_body_bytes:
            self.transport.close()
