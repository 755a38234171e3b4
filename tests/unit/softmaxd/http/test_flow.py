from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from softmaxd.http.flow import Flow, LastingTransport
from tests.support.uvicorn_names import names_after


class Transport:
    """A transport that notes its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda: self.calls.append(name)


def test_who_wants_to_read_on_asks_the_connection() -> None:
    transport: Any = Transport()
    flow = Flow(transport, transport.asked)

    flow.pause_reading()
    flow.resume_reading()
    assert transport.calls == ["pause_reading", "asked"]
    flow.read_more()
    flow.read_more()

    assert transport.calls == ["pause_reading", "asked", "resume_reading"]


def test_to_close_is_up_to_the_connection() -> None:
    transport: Any = Transport()

    lasting = LastingTransport(transport, transport.asked)
    lasting.close()
    lasting.is_closing()

    assert transport.calls == ["asked", "is_closing"]


def test_uvicorn_uses_nothing_else_of_a_transport() -> None:
    assert names_after("self.transport", RequestResponseCycle) == {"write", "close", "is_closing"}
    assert names_after("self._transport", FlowControl) == {"pause_reading", "resume_reading"}
