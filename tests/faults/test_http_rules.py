"""HTTP as RFC 9110 and RFC 9112 ask, in both lanes."""

import re
from collections.abc import Iterator

import pytest

from tests.support.raw_requests import BODY, request
from tests.support.server import Server
from tests.support.sockets import connect, receive

LAST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
GOOD_HOSTS = [
    b"x",
    b"x:80",
    b"x:",
    b"a-b.example.com:8000",
    b"127.0.0.1:1",
    b"[::1]:8000",
    b"[::1]",
    b"",
    b"a_b",
    b"%41",
]
BAD_HOSTS = [b"a b", b"x:y", b"x/y", b"x@y", b"[::1", b"::1", b"x:80:80", b"\xe9", b"a\tb", b"<script>"]


@pytest.fixture(scope="module", params=["on", "off"], ids="express={}".format)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(environment={"SOFTMAXD_EXPRESS": str(request.param)})
    yield server
    assert server.stop() == 0


def ask(server: Server, *parts: bytes) -> tuple[list[int], bytes]:
    """Return the statuses of the answers, and the answers."""
    with connect(server.port) as connection:
        connection.sendall(b"".join(parts))
        answers = receive(connection)
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answers)], answers


def with_host(*hosts: bytes, version: bytes = b"1.1") -> bytes:
    fields = b"".join(b"Host: %s\r\n" % host for host in hosts)
    return request(version=version).replace(b"Host: x\r\n", fields)


@pytest.mark.parametrize("host", GOOD_HOSTS)
def test_a_valid_host_is_taken(server: Server, host: bytes) -> None:
    assert ask(server, with_host(host), LAST)[0] == [200, 200]


def test_blanks_around_a_value_are_no_part_of_it(server: Server) -> None:
    sent = with_host(b" \tx:80\t ").replace(b"\r\n\r\n", b" \t\r\nX-Request-ID:\t mine \t\r\n\r\n")

    statuses, answers = ask(server, sent, LAST)

    assert statuses == [200, 200]
    assert b"\r\nx-request-id: mine\r\n" in answers.lower()


@pytest.mark.parametrize("host", BAD_HOSTS)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_a_malformed_host_is_400(server: Server, host: bytes, version: bytes) -> None:
    assert ask(server, with_host(host, version=version), LAST)[0] == [400]


@pytest.mark.parametrize("path", ["/livez", "/v2", "/v1/models"])
def test_a_refused_head_request_gets_no_body(server: Server, path: str) -> None:
    asked = b"HEAD %s HTTP/1.1\r\nHost: a b\r\n\r\n" % path.encode()
    with connect(server.port) as connection:
        connection.sendall(asked)
        head, _, body = receive(connection).partition(b"\r\n\r\n")
    status, answer = ask(server, asked.replace(b"HEAD", b"GET"))

    assert head.startswith(b"HTTP/1.1 400 ")
    assert body == b""
    assert status == [400]
    length = len(answer.partition(b"\r\n\r\n")[2])
    assert b"\r\ncontent-length: %d\r\n" % length in head


def test_no_host_or_two_are_400_in_http_1_1(server: Server) -> None:
    for hosts in ((), (b"x", b"x"), (b"x", b"y")):
        statuses, answers = ask(server, with_host(*hosts), LAST)
        assert statuses == [400]
        assert answers.endswith(b'{"detail":"A request should have one Host header, with a host and perhaps a port"}')


REFUSED = {
    400: request().replace(b"Host: x", b"Host: a b"),
    403: request(b"/predict", BODY, b"Origin: http://evil.test"),
    404: request(b"/nope"),
    405: request(b"/livez"),
    413: request(length=b"Content-Length: 99999999"),
    415: request(b"/predict", BODY, b"Content-Type: text/plain"),
    422: request(body=b"{}"),
    431: request(b"/predict", BODY, b"X-Long: " + b"x" * 17_000),
    501: request(length=b"Transfer-Encoding: x"),
    505: request(version=b"0.9"),
}


@pytest.mark.parametrize("status", REFUSED)
def test_every_refusal_has_the_id_of_its_request(server: Server, status: int) -> None:
    sent = REFUSED[status]

    own = ask(server, sent.replace(b"Host: ", b"X-Request-ID: mine\r\nHost: "), LAST)
    made = ask(server, sent, LAST)

    assert own[0][0] == made[0][0] == status
    assert re.findall(rb"\r\nx-request-id: (.*)\r\n", own[1])[0] == b"mine"
    first, *others = re.findall(rb"\r\nx-request-id: ([0-9a-f]{16}-[0-9a-f]+)\r\n", made[1])
    assert first not in others
    assert len(others) == len(made[0]) - 1


def test_bytes_that_are_not_http_get_an_id_that_no_request_had(server: Server) -> None:
    own = request(b"/predict", BODY, b"X-Request-ID: mine")

    statuses, answers = ask(server, own, b"\0\0\0")

    assert statuses == [200, 400]
    first, second = re.findall(rb"\r\nx-request-id: (.*)\r\n", answers)
    assert first == b"mine"
    assert re.fullmatch(rb"[0-9a-f]{16}-[0-9a-f]+", second)


def test_http_1_0_needs_no_host_and_takes_no_two(server: Server) -> None:
    assert ask(server, with_host(version=b"1.0"))[0] == [200]
    assert ask(server, with_host(b"x", b"x", version=b"1.0"))[0] == [400]


def test_http_1_0_keeps_the_connection_if_it_asks_for_that(server: Server) -> None:
    keep = request(b"/predict", b'{"instances": [[1, 2]]}', b"Connection: keep-alive", version=b"1.0")

    statuses, answers = ask(server, keep, keep, request(version=b"1.0"), LAST)

    assert statuses == [200] * 3
    assert answers.count(b"\r\nconnection: keep-alive\r\n") == 2
    assert answers.count(b"\r\nconnection: close\r\n") == 1


def test_http_1_0_gets_no_100_continue(server: Server) -> None:
    expects = (b"/predict", b'{"instances": [[1, 2]]}', b"Expect: 100-continue")

    assert ask(server, request(*expects, version=b"1.0"))[0] == [200]
    assert ask(server, request(*expects), LAST)[0] == [100, 200, 200]


@pytest.mark.parametrize("coding", [b"gzip", b"gzip, chunked", b"identity", b"x", b"chunked,chunked"])
def test_a_transfer_coding_that_is_not_known_is_501(server: Server, coding: bytes) -> None:
    statuses, answers = ask(server, request(length=b"Transfer-Encoding: " + coding), LAST)

    assert statuses in ([501], [400])  # 400 where the end of the body cannot be known
    assert statuses == [501] or coding == b"chunked,chunked"
    assert b"\r\nconnection: close\r\n" in answers


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET / HTTP/0.9\r\nHost: x\r\n\r\n",
        b"GET /\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_another_version_of_http_is_505(server: Server, head: bytes) -> None:
    statuses, answers = ask(server, head, LAST)

    assert statuses == [505]
    assert re.search(rb'{"detail":"HTTP/(2|2.0|0.9) is not supported; send HTTP/1.1"}$', answers)


@pytest.mark.parametrize("head", [b"GET / HTTP/3.7\r\nHost: x\r\n\r\n", b"GET / FTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_version_that_does_not_exist_is_400(server: Server, head: bytes) -> None:
    assert ask(server, head, LAST)[0] == [400]
