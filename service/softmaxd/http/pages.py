"""Pages for browsers, and their files."""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from softmaxd.http.compression import MIN_DEFLATED

INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
UNCHANGED = "no-cache"  # kept, but asked for before each use: files of two releases do not go together
NOT_WANTED = re.compile(r"q=0(\.0*)?")
POLICY = (
    "default-src 'none'; script-src {}; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(html: str) -> HTMLResponse:
    """Return a page that may use only its own scripts, styles, pictures and routes, and that no other page may frame.

    A script within the page is allowed by its hash.
    """
    hashes = [b64encode(sha256(script.encode()).digest()).decode() for script in INLINE_SCRIPT.findall(html)]
    scripts = " ".join(["'self'", *(f"'sha256-{digest}'" for digest in hashes)])
    headers = {
        "Content-Security-Policy": POLICY.format(scripts),
        "Referrer-Policy": "no-referrer",
        "Cache-Control": UNCHANGED,
    }
    return HTMLResponse(html, headers=headers)


@cache
def playground() -> HTMLResponse:
    """Return the page that shows softmax and the models; its files are in `softmaxd/playground`."""
    found = page((Path(__file__).parents[1] / "playground" / "index.html").read_text(encoding="utf-8"))
    found.headers["Vary"] = "Accept"
    return found


def wants_html(accept: str) -> bool:
    """Return True if an `Accept` header names HTML, as browsers do; a client that takes anything gets JSON."""
    kinds = (kind.replace(" ", "").lower().split(";") for kind in accept.split(","))
    return any(name == "text/html" and not any(NOT_WANTED.fullmatch(each) for each in more) for name, *more in kinds)


def assets(package: str, folder: str) -> ASGIApp:
    """Return the application that sends the files of a package, compressed for clients that accept gzip."""
    return GZipMiddleware(Assets(packages=[(package, folder)]), minimum_size=MIN_DEFLATED)


class Assets(StaticFiles):
    """Files that are asked for again before each use, and then sent only if they have changed.

    They are always sent whole: Starlette would refuse a `Range` in a form of its own.
    """

    def file_response(self, *given: Any, **named: Any) -> Response:
        """Return the file, or 304 if the client has it."""
        response = super().file_response(*given, **named)
        response.headers["Cache-Control"] = UNCHANGED
        return response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)
