"""A store on a web server: where it may be, its ranges, its redirects and its failures."""

import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from softmaxd.delivery import web
from softmaxd.delivery.store import Absent, Broken
from softmaxd.delivery.web import Web
from softmaxd.errors import Refused
from softmaxd.models.files import NotNow
from tests.support.edge import make_certificate
from tests.support.web_store import Handler, WebStore, cut, endless, redirect, respond, serving, silent, status

NAME, CONTENT = "a-1.tar", b"0123456789"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebStore]:
    (tmp_path / NAME).write_bytes(CONTENT)
    with serving(tmp_path) as server:
        yield server


def read(store: Web, start: int = 0, validator: str | None = None) -> tuple[bytes, int, int | None, str | None]:
    """Return the bytes of the file, the place of the first one, the size of the whole file and its validator."""
    with store.stream(NAME, start, validator) as stream:
        return b"".join(stream.chunks), stream.start, stream.total, stream.validator


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://models.example.com/x", "http://models.example.com/x should begin with https:// as it is not on this"),
        ("http://localhost.example.com", "http://localhost.example.com should begin with https://"),
        ("http://127.0.0.2/", "should begin with https://"),
        ("https://me:secret@host/x", "https://host/x: a user and a password in a URL would be seen by others"),
        ("https://host/ä?sig=secret", "https://host/ä: a URL has no blanks and only ASCII"),
        ("https://host/x?sig=a secret", "https://host/x: a URL has no blanks and only ASCII"),
        ("https://höst/x", "https://höst/x: a URL has no blanks and only ASCII"),
        ("https:///x", "is no URL of a web server"),
        ("https://[::1/x", "the URL cannot be read: Invalid IPv6 URL"),
        ("https://host:port/x", "the URL cannot be read: Port could not be cast to integer value as 'port'"),
    ],
)
def test_other_urls_are_refused_and_no_secret_is_shown(url: str, reason: str) -> None:
    with pytest.raises(Refused, match=re.escape(reason)) as caught:
        Web(url)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://host", "https://host/a-1.tar"),
        ("https://host/folder/", "https://host/folder/a-1.tar"),
        ("https://host/folder?sig=secret", "https://host/folder/a-1.tar"),
        ("https://host/other.tar?sig=secret", "https://host/other.tar"),
        ("http://[::1]:80/x", "http://[::1]:80/x/a-1.tar"),
    ],
)
def test_a_file_is_named_without_the_query(url: str, place: str) -> None:
    assert Web(url).place(NAME) == place


def test_a_query_goes_with_each_request(server: WebStore) -> None:
    read(Web(f"{server.url}/?sig=1"))

    assert server.targets == [f"/{NAME}?sig=1"]


def test_a_file_is_read_from_where_it_broke_off(server: WebStore) -> None:
    store = Web(server.url)
    whole, start, total, validator = read(store)

    assert (whole, start, total) == (CONTENT, 0, 10)
    assert read(store, 4, validator) == (b"456789", 4, 10, validator)
    assert read(store, 4) == (b"456789", 4, 10, validator)
    assert server.requests[1:] == [(f"/{NAME}", "bytes=4-", validator), (f"/{NAME}", "bytes=4-", None)]


def test_a_file_that_has_changed_is_read_anew(server: WebStore) -> None:
    store = Web(server.url)
    validator = read(store)[3]
    (server.folder / NAME).write_bytes(b"abcdefghij")

    assert read(store, 4, validator)[:2] == (b"abcdefghij", 0)


def test_a_file_that_is_shorter_now_is_read_anew(server: WebStore) -> None:
    assert read(Web(server.url), 10)[:2] == (CONTENT, 0)
    assert server.ranges(NAME) == ["bytes=10-", None]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Content_Length": "2"}, (b"01", 0, 2, None)),
        ({}, (b"0123", 0, None, None)),
        ({"ETag": 'W/"weak"', "Last_Modified": "Mon"}, (b"0123", 0, None, "Mon")),
        ({"ETag": '"strong"', "Last_Modified": "Mon"}, (b"0123", 0, None, '"strong"')),
    ],
)
def test_size_and_validator_are_those_of_the_headers(
    server: WebStore, headers: dict[str, str], expected: tuple[object, ...]
) -> None:
    server.faults = [respond(200, b"0123", **headers)]

    assert read(Web(server.url), 4) == expected


def test_a_part_may_come_without_the_size_of_the_whole(server: WebStore) -> None:
    server.faults = [respond(206, b"456", Content_Range="bytes 4-6/*")]

    assert read(Web(server.url), 4) == (b"456", 4, None, None)


@pytest.mark.parametrize("found", ["bytes 3-9/10", "bytes 4-x/10", "none"])
def test_another_range_is_refused(server: WebStore, found: str) -> None:
    server.faults = [respond(206, b"456789", Content_Range=found)]

    with pytest.raises(Refused, match=rf"{server.url}/{NAME}: the server sends another range than it was asked for"):
        read(Web(server.url), 4)


@pytest.mark.parametrize(
    ("code", "kind"),
    [(404, Absent), (410, Absent), (403, Refused), (416, Refused), (429, Broken), (500, Broken), (503, Broken)],
)
def test_a_status_is_told_and_some_pass(server: WebStore, code: int, kind: type[Exception]) -> None:
    server.faults = [status(code)]

    with pytest.raises(kind, match=rf"^{server.url}/{NAME}: the server answers {code} ") as caught:
        read(Web(server.url))

    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("file:///etc/passwd", "Redirection to url 'file:///etc/passwd' is not allowed"),
        ("ftp://host/x", "redirection that is not followed: ftp://host/x is no URL of a web server"),
        ("http://models.example.com/x", "should begin with https:// as it is not on this machine"),
        ("https://me:secret@host/x", "a user and a password in a URL"),
        (f"/{NAME}", "redirects lead to an infinite loop: Found"),
    ],
)
def test_a_redirect_leads_only_where_a_store_may_be(server: WebStore, target: str, reason: str) -> None:
    server.faults = [redirect(target)] * 20

    with pytest.raises(Refused, match=f"the server answers 302 .*{re.escape(reason)}") as caught:
        read(Web(server.url))

    assert "secret" not in str(caught.value)
    assert len(server.requests) <= 6


@pytest.mark.parametrize("host", ["[::1", "h\xf6st..x", f"{'a' * 70}.x", "ho st"])
def test_a_redirect_to_a_host_that_cannot_be_named_is_refused(server: WebStore, host: str) -> None:
    server.faults = [redirect(f"https://{host}/x?sig=secret")]

    with pytest.raises(Refused, match=rf"^{server.url}/{NAME}: the server answers 302 Found - ") as caught:
        read(Web(server.url))

    assert type(caught.value) is Refused
    assert "secret" not in str(caught.value)


def test_a_redirect_takes_the_range_along(server: WebStore) -> None:
    (server.folder / "other").write_bytes(CONTENT)
    server.faults = [redirect("/other")]

    assert read(Web(server.url), 4)[:2] == (b"456789", 4)
    assert server.ranges("other") == ["bytes=4-"]


def test_the_body_of_a_redirect_is_not_read(server: WebStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "SILENT_SECONDS", 0.5)
    (server.folder / "other").write_bytes(CONTENT)

    def answer(handler: Handler, _content: bytes) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/other")
        handler.end_headers()
        handler.server.closing.wait()

    server.faults = [answer]

    assert read(Web(server.url))[0] == CONTENT


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secure(tmp_path: Path, certificate: tuple[Path, Path]) -> Iterator[WebStore]:
    """A server with a certificate that nobody trusts who is not told to."""
    (tmp_path / NAME).write_bytes(CONTENT)
    with serving(tmp_path, certificate) as server:
        yield server


def test_a_certificate_must_be_trusted(secure: WebStore) -> None:
    with pytest.raises(
        Refused, match=rf"^{secure.url}/{NAME}: its certificate is not trusted: self-signed certificate$"
    ):
        read(Web(secure.url))

    assert secure.requests == []


def test_a_file_comes_by_https(
    secure: WebStore, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))

    assert read(Web(secure.url), 4)[0] == b"456789"


def test_no_redirect_leads_from_https_to_http(
    secure: WebStore, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    secure.faults = [redirect("http://127.0.0.1/x")]

    with pytest.raises(Refused, match=r"the server answers 302 Found - redirection from https to http$"):
        read(Web(secure.url))


def test_bytes_that_are_missing_end_the_stream(server: WebStore) -> None:
    server.faults = [cut(3)]

    assert read(Web(server.url))[0] == b"012"


def test_chunks_that_are_cut_are_told(server: WebStore) -> None:
    server.faults = [respond(200, b"a\r\n012", Transfer_Encoding="chunked")]

    with pytest.raises(Broken, match=r"the transfer broke off: "):
        read(Web(server.url))


def test_a_server_that_falls_silent_is_left(server: WebStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "SILENT_SECONDS", 0.05)
    (server.folder / NAME).write_bytes(bytes(100))
    server.faults = [silent]

    with pytest.raises(Broken, match=r"the transfer broke off: timed out"):
        read(Web(server.url))


def test_bytes_are_given_as_they_come(server: WebStore) -> None:
    server.faults = [endless]

    with Web(server.url).stream(NAME, 0, None) as stream:
        assert 0 < len(next(stream.chunks)) <= 2**18


def test_a_server_that_is_not_there_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        with pytest.raises(NotNow, match=rf"^http://127.0.0.1:{port}/{NAME}: Connection refused$"):
            read(Web(f"http://127.0.0.1:{port}"))


def test_a_host_that_cannot_be_named_is_refused() -> None:
    with pytest.raises(Refused, match=r"/a-1.tar: the URL has a host that cannot be asked$"):
        read(Web(f"https://{'a' * 70}.example.com"))


def test_a_server_that_does_not_speak_http_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"SSH-2.0\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(Broken, match=r"SSH-2.0"):
            read(Web(f"http://127.0.0.1:{listening.getsockname()[1]}"))
        thread.join()


def test_a_proxy_is_asked_only_by_https(monkeypatch: pytest.MonkeyPatch, server: WebStore) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")

    assert read(Web(server.url))[0] == CONTENT
    with pytest.raises(Broken, match=r"Connection refused"):
        read(Web("https://models.example.com"))
