"""`Client` and `AsyncClient`: they run the steps of each call by httpx, one blocking, one in an event loop."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from softmaxd.client.calls import Calls
from softmaxd.client.errors import ClientError, ConnectionLost, TimedOut
from softmaxd.client.retries import Retries
from softmaxd.client.steps import Call, Reply, Send, Wait

P = ParamSpec("P")
T = TypeVar("T")
SECONDS = 30.0
RETRIES = Retries()


def blocking(call: Callable[Concatenate[Calls, P], Call[T]]) -> Callable[Concatenate["Client", P], T]:
    """Return a call as a method that blocks."""

    @wraps(call)
    def method(client: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return client.run(call(client.calls, *args, **kwargs))

    return method


def awaited(
    call: Callable[Concatenate[Calls, P], Call[T]],
) -> Callable[Concatenate["AsyncClient", P], Coroutine[Any, Any, T]]:
    """Return a call as a method that is awaited."""

    @wraps(call)
    async def method(client: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await client.run(call(client.calls, *args, **kwargs))

    return method


class Client:
    """A client of the service at a URL; threads may share it.

    `timeout` is in seconds, for connecting and for each wait for bytes. TLS of your own, a proxy or a Unix socket:
    give a `transport` of httpx.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = SECONDS,
        retries: Retries = RETRIES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.calls = Calls(retries)
        self._http = httpx.Client(
            base_url=_checked(url), headers=_headers(api_key), timeout=timeout, transport=transport
        )

    predict = blocking(Calls.predict)
    infer = blocking(Calls.infer)
    softmax = blocking(Calls.softmax)
    models = blocking(Calls.models)
    model = blocking(Calls.model)

    def run(self, call: Call[T]) -> T:
        """Do the steps of a call, and return its answer."""
        try:
            step = next(call)
            while True:
                try:
                    outcome = self._do(step)
                except ClientError as error:
                    step = call.throw(error)
                else:
                    step = call.send(outcome)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return] # the T of the generator

    def _do(self, step: Send | Wait) -> Reply | None:
        if isinstance(step, Wait):
            time.sleep(step.seconds)
            return None
        with _failures_as_ours():
            return _reply(self._http.send(_request(self._http, step)))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """As `Client`, with methods that are awaited; for one event loop."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = SECONDS,
        retries: Retries = RETRIES,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.calls = Calls(retries)
        self._http = httpx.AsyncClient(
            base_url=_checked(url), headers=_headers(api_key), timeout=timeout, transport=transport
        )

    predict = awaited(Calls.predict)
    infer = awaited(Calls.infer)
    softmax = awaited(Calls.softmax)
    models = awaited(Calls.models)
    model = awaited(Calls.model)

    async def run(self, call: Call[T]) -> T:
        """Do the steps of a call, and return its answer."""
        try:
            step = next(call)
            while True:
                try:
                    outcome = await self._do(step)
                except ClientError as error:
                    step = call.throw(error)
                else:
                    step = call.send(outcome)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return] # the T of the generator

    async def _do(self, step: Send | Wait) -> Reply | None:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
            return None
        with _failures_as_ours():
            return _reply(await self._http.send(_request(self._http, step)))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _checked(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{url!r} is no URL: {error}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError(f"{url!r} is no URL of a service: it must begin with http:// or https://, and name a host")
    return parsed


def _headers(api_key: str | None) -> dict[str, str]:
    if api_key is None:
        return {}
    if not (api_key.isascii() and api_key.isprintable() and api_key.strip() == api_key != ""):
        raise ValueError("The API key must be visible ASCII without blanks around it; is it the whole line of a file?")
    return {"Authorization": f"Bearer {api_key}"}


def _request(http: httpx.Client | httpx.AsyncClient, step: Send) -> httpx.Request:
    return http.build_request(step.method, step.path, content=step.content or None, headers=step.headers)


def _reply(response: httpx.Response) -> Reply:
    return Reply(response.status_code, response.headers, response.content)


@contextlib.contextmanager
def _failures_as_ours() -> Iterator[None]:
    """Raise failures of httpx as those of this client."""
    try:
        yield
    except (httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout) as error:
        raise TimedOut(f"No response within the timeout of the client ({type(error).__name__})") from error
    except httpx.RequestError as error:
        reason = str(error) or type(error).__name__
        raise ConnectionLost(f"No connection to {error.request.url.host}: {reason}") from error
