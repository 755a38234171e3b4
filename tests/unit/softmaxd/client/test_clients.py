import asyncio
import inspect
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

from softmaxd.client import AsyncClient, Client, ClientError, ConnectionLost, Retries, TimedOut, Unauthorized
from softmaxd.client.calls import Calls

URL = "http://127.0.0.1:8000/ml"
AT_ONCE = Retries(first_wait=0.0)
ANSWER = {"model": "m", "version": "1", "labels": ["a"], "probabilities": [[1.0]]}
Handler = Callable[[httpx.Request], httpx.Response]


def blocking(handler: Handler) -> str:
    """Return the label that the blocking client gets from a service."""
    with Client(URL, api_key="key", retries=AT_ONCE, transport=httpx.MockTransport(handler)) as client:
        return str(client.predict([[1]]).labels[0])


def awaiting(handler: Handler) -> str:
    """Return the label that the asynchronous client gets."""

    async def ask() -> str:
        transport = httpx.MockTransport(handler)
        async with AsyncClient(URL, api_key="key", retries=AT_ONCE, transport=transport) as client:
            return str((await client.predict([[1]])).labels[0])

    return asyncio.run(ask())


BOTH = pytest.mark.parametrize("ask", [blocking, awaiting])


@BOTH
def test_a_request_has_the_key_and_the_prefix(ask: Callable[[Handler], str]) -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=ANSWER)

    assert ask(answer) == "a"
    assert str(requests[0].url) == f"{URL}/predict"
    assert requests[0].headers["Authorization"] == "Bearer key"
    assert requests[0].headers["Content-Type"] == "application/json"


def test_a_client_without_a_key_sends_none() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"models": []})

    with Client(URL, transport=httpx.MockTransport(answer)) as client:
        assert client.models() == []
    assert "Authorization" not in requests[0].headers


@BOTH
def test_a_lost_connection_is_made_again(ask: Callable[[Handler], str]) -> None:
    outcomes = [httpx.ConnectError("refused"), httpx.ConnectTimeout("late"), httpx.RemoteProtocolError("closed")]

    def answer(_: httpx.Request) -> httpx.Response:
        if outcomes:
            raise outcomes.pop()
        return httpx.Response(200, json=ANSWER)

    assert ask(answer) == "a"
    assert outcomes == []


@BOTH
@pytest.mark.parametrize(
    ("failure", "kind", "message"),
    [
        (httpx.ReadTimeout("late"), TimedOut, r"^No response within the timeout of the client \(ReadTimeout\)$"),
        (httpx.ConnectError("refused"), ConnectionLost, r"^No connection to 127\.0\.0\.1: refused$"),
        (httpx.ReadError(""), ConnectionLost, r"^No connection to 127\.0\.0\.1: ReadError$"),
    ],
)
def test_a_failure_is_an_exception_of_the_client(
    ask: Callable[[Handler], str], failure: httpx.RequestError, kind: type[ClientError], message: str
) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise failure

    with pytest.raises(kind, match=message) as raised:
        ask(answer)

    assert raised.value.status is None


@BOTH
def test_a_refusal_is_an_exception_of_the_client(ask: Callable[[Handler], str]) -> None:
    with pytest.raises(Unauthorized, match=r"^no$"):
        ask(lambda _: httpx.Response(401, json={"detail": "no"}))


def test_both_clients_have_every_call_with_its_parameters() -> None:
    calls = {name: call for name, call in vars(Calls).items() if not name.startswith("_")}

    for client in (Client, AsyncClient):
        for name, call in calls.items():
            assert inspect.signature(getattr(client, name)).parameters == inspect.signature(call).parameters
            assert getattr(client, name).__doc__ == call.__doc__


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "localhost:8000", "ftp://host", "", "http://", "http://host:port"])
def test_a_url_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"is no URL"):
        Client(url)


@pytest.mark.parametrize("key", ["", "key\n", " key", "schlüssel", "a\0b"])
def test_a_key_that_no_header_can_have_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"must be visible ASCII"):
        Client(URL, api_key=key)


def test_the_client_imports_nothing_of_the_service() -> None:
    program = "import sys, softmaxd.client; print(*sys.modules)"

    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    modules = set(printed.split())
    assert {"httpx", "numpy"} < modules
    assert modules & {"fastapi", "onnxruntime", "orjson", "pydantic", "starlette", "uvicorn", "pandas"} == set()
    ours = {module for module in modules if module.startswith("softmaxd.")}
    assert {module for module in ours if not module.startswith("softmaxd.client")} == set()


def test_a_missing_httpx_is_told_with_the_cure() -> None:
    program = "import sys; sys.modules['httpx'] = None; import softmaxd.client"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.stderr.endswith("ImportError: softmaxd.client needs httpx: pip install 'softmaxd[client]'\n")
