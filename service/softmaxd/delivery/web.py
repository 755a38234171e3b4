"""A store on a web server, read by HTTPS with ranges; by plain HTTP only on this machine.

Python's own client does it, so that pulling needs no package that serving does not.
"""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage, HTTPResponse, InvalidURL
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    getproxies,
)

from softmaxd import __version__
from softmaxd.delivery.store import BLOCK_BYTES, Absent, Broken, Stream
from softmaxd.errors import Refused

SILENT_SECONDS = 30.0  # to connect, and between two pieces of a response
MAX_REDIRECTS = 5
LOCAL = {"localhost", "127.0.0.1", "::1"}
PASSING = {408, 425, 429, 500, 502, 503, 504}
PLAIN = re.compile("[!-~]+")
PARTIAL, RANGE_NOT_SATISFIABLE = 206, 416


class Web:
    """Files below a URL, or one file whose URL ends in `.tar`. A query, such as a signature, goes with each request."""

    def __init__(self, url: str) -> None:
        self._url = _checked(url)
        self.is_file = self._url.path.endswith(".tar")
        self._opener = _opener()

    def place(self, name: str) -> str:
        """Return the URL of a file, without its query."""
        return self._of(name)._replace(query="").geturl()

    @contextmanager
    def stream(self, name: str, start: int, validator: str | None) -> Iterator[Stream]:
        """Request a file, or the rest of it. Raises `Absent`, `Refused` or `Broken`."""
        with self._request(name, start, validator) as response:
            if response.status != PARTIAL:
                start = 0
            elif _range_of(response)[0] != start:
                raise Refused(f"{self.place(name)}: the server sends another range than it was asked for")
            yield Stream(self._chunks(response), start, _total(response), _validator(response.headers))

    def _request(self, name: str, start: int, validator: str | None) -> HTTPResponse:
        headers = {"User-Agent": f"softmaxd/{__version__}"}
        if start:
            headers |= {"Range": f"bytes={start}-"} | ({"If-Range": validator} if validator else {})
        request = Request(self._of(name).geturl(), headers=headers)  # noqa: S310 - its scheme has been checked
        try:
            response = self._opener.open(request, timeout=SILENT_SECONDS)
        except HTTPError as error:
            error.close()
            if error.code == RANGE_NOT_SATISFIABLE and start:
                return self._request(name, 0, None)
            raise self._failure(name, error) from error
        except (ValueError, InvalidURL) as error:  # its words may have the query
            raise Refused(f"{self.place(name)}: the URL has a host that cannot be asked") from error
        except (OSError, HTTPException) as error:
            raise self._unreachable(name, error) from error
        assert isinstance(response, HTTPResponse)
        return response

    def _failure(self, name: str, error: HTTPError) -> Exception:
        message = f"{self.place(name)}: the server answers {error.code} {error.msg}"
        if error.code in {404, 410}:
            return Absent(message)
        return Broken(message) if error.code in PASSING else Refused(message)

    def _unreachable(self, name: str, error: OSError | HTTPException) -> Exception:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            return Refused(f"{self.place(name)}: its certificate is not trusted: {reason.verify_message}")
        return Broken(f"{self.place(name)}: {_words(reason)}")

    def _of(self, name: str) -> SplitResult:
        return self._url if self.is_file else self._url._replace(path=f"{self._url.path.rstrip('/')}/{name}")

    def _chunks(self, response: HTTPResponse) -> Iterator[bytes]:
        """Yield the body as it comes: waiting for whole blocks would hide that a server is too slow."""
        left = response.length
        try:
            while left != 0 and (chunk := response.read1(BLOCK_BYTES if left is None else min(BLOCK_BYTES, left))):
                left = None if left is None else left - len(chunk)
                yield chunk
        except (OSError, HTTPException) as error:
            raise Broken(f"the transfer broke off: {_words(error)}") from error


class _Redirects(HTTPRedirectHandler):
    """Follows a few redirects, and only to where a store may be."""

    max_redirections = MAX_REDIRECTS
    inf_msg = "redirects lead to an infinite loop: "

    def http_error_302(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> HTTPResponse | None:
        fp.close()  # or all of its body would be read, however large it is
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except (ValueError, InvalidURL) as error:
            raise HTTPError(req.full_url, code, f"{msg} - redirection to no URL", headers, fp) from error

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        try:
            target = _checked(newurl)
        except Refused as error:
            raise HTTPError(
                req.full_url, code, f"{msg} - redirection that is not followed: {error}", headers, fp
            ) from error
        if req.type == "https" and target.scheme != "https":
            raise HTTPError(req.full_url, code, f"{msg} - redirection from https to http", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> OpenerDirector:
    """Return a client of HTTP alone, whose redirects are checked. The variable `https_proxy` may name a proxy."""
    opener = OpenerDirector()
    proxies = {scheme: proxy for scheme, proxy in getproxies().items() if scheme == "https"}
    handlers = (HTTPHandler, HTTPSHandler, HTTPDefaultErrorHandler, HTTPErrorProcessor, _Redirects)
    for handler in (ProxyHandler(proxies), *(kind() for kind in handlers)):
        opener.add_handler(handler)
    return opener


def _checked(url: str) -> SplitResult:
    """Return the parts of a URL that may be asked. Raises `Refused`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise Refused(f"the URL cannot be read: {error}") from error
    shown = f"{parts.scheme}://{host}{parts.path}"
    if not host or parts.scheme not in {"http", "https"}:
        raise Refused(f"{shown} is no URL of a web server")
    if not PLAIN.fullmatch(url):
        raise Refused(f"{shown}: a URL has no blanks and only ASCII: write others encoded, such as %20 for a blank")
    if parts.username is not None or parts.password is not None:
        raise Refused(f"{shown}: a user and a password in a URL would be seen by others: use a signed URL")
    if parts.scheme == "http" and host not in LOCAL:
        raise Refused(f"{shown} should begin with https:// as it is not on this machine")
    return parts


def _range_of(response: HTTPResponse) -> tuple[int | None, int | None]:
    """Return the first byte and the size of the whole file, as a partial response has them."""
    found = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)", response.headers.get("Content-Range", ""))
    return (int(found[1]), None if found[2] == "*" else int(found[2])) if found else (None, None)


def _total(response: HTTPResponse) -> int | None:
    return _range_of(response)[1] if response.status == PARTIAL else response.length


def _validator(headers: HTTPMessage) -> str | None:
    """Return a strong ETag, else the time of the last change, as `If-Range` takes them."""
    etag = headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


def _words(error: object) -> str:
    """Return an error as words; some have none but the name of their class."""
    return (getattr(error, "strerror", None) or str(error)) or type(error).__name__
