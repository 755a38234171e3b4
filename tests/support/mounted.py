"""A service that is mounted in another application, on an ASGI server without our connections."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from softmaxd.app import create_app
from softmaxd.listening import listen
from softmaxd.settings import Settings
from tests.support.paths import MODELS


@contextmanager
def mounted(prefix: str) -> Iterator[str]:
    """Serve the committed models under a prefix; give the URL of the outer application."""
    outer = FastAPI()
    outer.mount(prefix, create_app(Settings(models_dir=MODELS)))
    server = uvicorn.Server(uvicorn.Config(outer, log_config=None, lifespan="off", ws="none"))
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()
