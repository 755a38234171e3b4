"""A web server of one folder that answers ranges, and can fail in the ways in which servers and networks fail."""

import hashlib
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Fault = Callable[["Handler", bytes], None]  # answers a request for these bytes


class WebStore(ThreadingHTTPServer):
    """Serves the files of a folder. Each request for an archive takes the next fault, as long as there is one."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str | None, str | None]] = []  # path, Range and If-Range
        self.targets: list[str] = []  # with their queries
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        scheme = "https" if isinstance(self.socket, ssl.SSLSocket) else "http"
        return f"{scheme}://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """Keep quiet about clients that leave early, and those that do not trust the certificate."""

    def ranges(self, name: str) -> list[str | None]:
        """Return the ranges in which a file was asked for, in order."""
        return [asked for path, asked, _ in self.requests if path == f"/{name}"]


class Handler(BaseHTTPRequestHandler):
    server: WebStore

    def do_GET(self) -> None:
        """Send a file, or the rest of it."""
        self.server.targets.append(self.path)
        path = self.path.partition("?")[0]
        asked, validator = self.headers.get("Range"), self.headers.get("If-Range")
        self.server.requests.append((path, asked, validator))
        file = self.server.folder / path.lstrip("/")
        if not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        if self.server.faults and path.endswith(".tar"):
            with suppress(ConnectionError):  # the client leaves early
                self.server.faults.pop(0)(self, content)
        else:
            self.answer(content)

    def answer(self, content: bytes, most: int | None = None) -> None:
        """Send what was asked for, or only its first `most` bytes."""
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and self.headers.get("If-Range", etag) == etag else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", etag)
        self.end_headers()
        self.wfile.write(content[start:] if most is None else content[start : start + most])

    def log_message(self, *_: object) -> None:
        """Keep the output of the tests free of log lines."""


def cut(most: int) -> Fault:
    """Break the connection after so many bytes."""
    return lambda handler, content: handler.answer(content, most)


def status(code: int) -> Fault:
    """Answer with a status."""
    return lambda handler, _content: handler.send_error(code)


def redirect(url: str) -> Fault:
    """Answer with another URL."""

    def answer(handler: Handler, _content: bytes) -> None:
        handler.send_response(302)
        handler.send_header("Location", url)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def respond(code: int, body: bytes, **headers: str) -> Fault:
    """Answer with these headers, whether they are true or not; `_` in a name stands for `-`."""

    def answer(handler: Handler, _content: bytes) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def silent(handler: Handler, content: bytes) -> None:
    """Send a few bytes, and then nothing more until the server ends."""
    handler.answer(content, 10)
    handler.server.closing.wait()


def endless(handler: Handler, _content: bytes) -> None:
    """Send zeros without an end, and without a length."""
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.closing.is_set():
        handler.wfile.write(bytes(2**16))


def drop_by_drop(handler: Handler, _content: bytes) -> None:
    """Send a header that never ends, a byte now and then."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not handler.server.closing.wait(0.01):
        handler.wfile.write(b"x")


def endless_continue(handler: Handler, _content: bytes) -> None:
    """Announce a response again and again."""
    while not handler.server.closing.wait(0.01):
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def endless_size(handler: Handler, _content: bytes) -> None:
    """Send the size of a chunk that never ends."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while not handler.server.closing.wait(0.01):
        handler.wfile.write(b"0")


@contextmanager
def serving(folder: Path, certificate: tuple[Path, Path] | None = None) -> Iterator[WebStore]:
    """Serve a folder until the end of the block: by HTTPS with a certificate and its key."""
    with WebStore(folder) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
