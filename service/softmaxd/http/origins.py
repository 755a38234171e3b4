"""The pages of other origins that may use the service from a browser: none, but for those of a setting."""

from collections.abc import Collection

from starlette.datastructures import Headers as StarletteHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from softmaxd.errors import Forbidden
from softmaxd.http.operation import Headers

OK = 200
ANY = "*"
METHODS = ("GET", "HEAD", "OPTIONS", "POST")
READABLE = (  # headers of answers
    *("Accept-Encoding", "Allow", "Inference-Header-Content-Length", "Retry-After"),
    *("Traceparent", "WWW-Authenticate", "X-Model-Version", "X-Request-ID"),
)
DEFAULT_PORTS = {b"http": b":80", b"https": b":443"}
# A page may post these to any site, and without a type; before it posts another type, its browser asks the site.
UNASKED_TYPES = {b"", b"text/plain", b"multipart/form-data", b"application/x-www-form-urlencoded"}
SETTING = "the setting cors_origins names the origins that may"


class Cors(CORSMiddleware):
    """Starlette's middleware for the allowed origins; a preflight that it refuses gets the form of its protocol."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=[ANY],
            allow_private_network=True,
            expose_headers=READABLE,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; but for the post of a client that is no browser, whose answer the express lane may write as well."""
        is_plain = scope["method"] == "POST" and all(name != b"origin" for name, _ in scope["headers"])
        await (self.app if is_plain else super().__call__)(scope, receive, send)

    def preflight_response(self, request_headers: StarletteHeaders) -> Response:
        """Return the answer to a preflight. Raises `Forbidden`."""
        response = super().preflight_response(request_headers)
        if response.status_code != OK:
            raise Forbidden(f"{bytes(response.body).decode()}; {SETTING}")
        return response


def check_origin(headers: Headers, allowed: Collection[str]) -> None:
    """Raise `Forbidden` for a post of a page of another origin for which its browser has not asked before."""
    host = next((value for name, value in headers if name == b"host"), b"")
    origins = [value for name, value in headers if name == b"origin" and not _is_of(value, host)]
    is_foreign = ANY not in allowed and any(origin.decode("latin-1") not in allowed for origin in origins)
    if is_foreign and _is_unasked(headers):
        raise Forbidden(f"A page of another origin may not post here; {SETTING}")


def _is_of(origin: bytes, host: bytes) -> bool:
    """Return whether an origin is that of a `Host`; its scheme is unknown behind a proxy."""
    scheme, _, authority = origin.lower().partition(b"://")
    port = DEFAULT_PORTS.get(scheme, b"")
    return authority != b"" and authority.removesuffix(port) == host.lower().removesuffix(port)


def _is_unasked(headers: Headers) -> bool:
    types = [value for name, value in headers if name == b"content-type"]
    return not types or any(each.partition(b";")[0].strip().lower() in UNASKED_TYPES for each in types)
