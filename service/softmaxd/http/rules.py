"""Rules of HTTP/1.1 for the head of a request that the parser does not check. See RFC 9110 and RFC 9112."""

import re

from softmaxd.errors import NotHttp, UnknownTransferCoding, UnsupportedVersion
from softmaxd.http.asgi import declared_bytes
from softmaxd.http.operation import Headers

VERSIONS = {"1.0", "1.1"}
HOST = re.compile(rb"(?:[\w.~!$&'()*+,;=%-]*|\[[0-9a-fA-F:.]+\])(?::\d*)?", re.ASCII)
ONE_HOST = "A request should have one Host header, with a host and perhaps a port"


def check_head(version: str, headers: Headers) -> None:
    """Refuse a version, a Host or a Transfer-Encoding that a server must refuse.

    Raises `UnsupportedVersion`, `NotHttp` or `UnknownTransferCoding`.
    """
    if version not in VERSIONS:
        raise UnsupportedVersion(f"HTTP/{version} is not supported; send HTTP/1.1")
    hosts = [value for name, value in headers if name == b"host"]
    if (len(hosts) != 1 and (hosts or version == "1.1")) or not all(map(HOST.fullmatch, hosts)):
        raise NotHttp(ONE_HOST)
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if codings and [coding.strip().lower() for coding in codings] != [b"chunked"]:
        raise UnknownTransferCoding("The Transfer-Encoding should be chunked, or none")


def content_length(headers: Headers) -> int | None:
    """Return the length of the body; 0 without a body, and None if it is chunked."""
    length: int | None = 0
    for name, value in headers:
        if name == b"content-length":
            length = declared_bytes(value.decode("latin-1"))
        elif name == b"transfer-encoding":
            return None
    return length
