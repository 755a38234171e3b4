"""`GET /metrics`: in the format and the encoding that the client prefers."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from softmaxd.http.compression import MAX_DEFLATED, MIN_DEFLATED, accepted_encoding, deflate
from softmaxd.metrics.exposition import media_type_for
from softmaxd.metrics.metrics import Metrics


def scraper(metrics: Metrics) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint."""

    async def scrape(request: Request) -> Response:
        media_type = media_type_for(request.headers.get("accept", ""))
        body = metrics.render(media_type)
        headers = {"Content-Type": media_type, "Vary": "Accept, Accept-Encoding"}
        encoding = accepted_encoding(request.headers.get("accept-encoding", "").encode("latin-1"))
        if encoding is not None and MIN_DEFLATED <= len(body) <= MAX_DEFLATED:
            body = deflate(body, encoding)
            headers["Content-Encoding"] = encoding.decode()
        return Response(body, headers=headers)

    return scrape
