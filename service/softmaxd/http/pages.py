"""Pages for browsers, and their files."""

import re
from base64 import b64encode
from hashlib import sha256

from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
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
    headers = {"Content-Security-Policy": POLICY.format(scripts), "Referrer-Policy": "no-referrer"}
    return HTMLResponse(html, headers=headers)


class Assets(StaticFiles):
    """Files that are always sent whole: Starlette would refuse a `Range` in a form of its own."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)
