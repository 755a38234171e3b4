import socket
from collections.abc import Iterator

import pytest

from softmaxd.errors import StartupError
from softmaxd.listening import accept_waiting, drop_new_connections, listen, url_of


def test_a_free_port_is_told_by_its_url() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]

        assert url_of(listener, "https") == f"https://127.0.0.1:{port}"
        with pytest.raises(StartupError, match=rf"^cannot listen on 127.0.0.1 port {port}: Address already in use; "):
            listen("127.0.0.1", port)


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python has no IPv6")
def test_an_ipv6_address_stands_in_brackets() -> None:
    with socket.socket(socket.AF_INET6) as listener:
        assert url_of(listener, "http") == "http://[::]:0"


@pytest.fixture(
    params=["127.0.0.1", pytest.param("::1", marks=pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6"))]
)
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    with listen(request.param, 0) as listener:
        yield listener


def test_every_connection_that_waits_is_accepted(listener: socket.socket) -> None:
    clients = [connect(listener) for _ in range(3)]

    accepted = list(accept_waiting(listener))

    assert [connection.getpeername() for connection in accepted] == [client.getsockname() for client in clients]
    for connection in [*accepted, *clients]:
        connection.close()


def test_no_connection_begins_before_the_end_and_those_that_have_begun_are_accepted(listener: socket.socket) -> None:
    early = connect(listener)

    drop_new_connections(listener)

    with pytest.raises(TimeoutError):
        connect(listener, timeout=0.2)
    (accepted,) = accept_waiting(listener)
    early.send(b"still there")
    assert accepted.recv(100) == b"still there"
    early.close()
    accepted.close()


def test_a_system_without_the_filter_goes_on_as_it_did() -> None:
    with socket.socket(socket.AF_UNIX) as no_tcp, socket.socket() as closed:
        closed.close()
        drop_new_connections(closed)
        drop_new_connections(no_tcp)


def connect(listener: socket.socket, timeout: float = 5) -> socket.socket:
    return socket.create_connection(listener.getsockname()[:2], timeout)
