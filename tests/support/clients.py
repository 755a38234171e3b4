"""Clients that ask one path all the time, each in a thread of its own, until they are stopped."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Self

import httpx

from tests.support.server import Server

CLIENTS = 4


class Clients:
    """Post a body again and again; `take` gets each good answer, and `wrong` has the text of every other one."""

    def __init__(
        self, server: Server, path: str, body: Mapping[str, Any], take: Callable[[dict[str, Any]], object]
    ) -> None:
        self.wrong: list[str] = []
        self._take = take
        self._stop = threading.Event()
        arguments = (server.url + path, body)
        self._threads = [threading.Thread(target=self._ask, args=arguments) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, url: str, body: Mapping[str, Any]) -> None:
        with httpx.Client() as client:
            while not self._stop.is_set():
                response = client.post(url, json=body)
                if response.status_code == 200:
                    self._take(response.json())
                else:
                    self.wrong.append(response.text)
