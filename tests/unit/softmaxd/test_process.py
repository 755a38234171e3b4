import socket

import pytest
import uvicorn

from softmaxd.errors import StartupError
from softmaxd.process import Server, listen, url_of
from tests.support.uvicorn_names import names_after, names_of_base


def test_uvicorn_has_the_names_that_a_process_uses() -> None:
    server = uvicorn.Server(uvicorn.Config(""))

    assert names_of_base(server, Server) == {
        *("handle_exit", "on_tick", "shutdown", "should_exit", "force_exit", "server_state")
    }
    assert names_after("self.server_state", Server) == {"connections"}
    assert hasattr(server.server_state, "connections")


def test_a_free_port_is_told_by_its_url() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]

        assert url_of(listener) == f"http://127.0.0.1:{port}"
        with pytest.raises(StartupError, match=rf"^cannot listen on 127.0.0.1 port {port}: Address already in use; "):
            listen("127.0.0.1", port)


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python has no IPv6")
def test_an_ipv6_address_stands_in_brackets() -> None:
    with socket.socket(socket.AF_INET6) as listener:
        assert url_of(listener) == "http://[::]:0"
