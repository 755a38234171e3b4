"""Call softmaxd from Python: `Client`, `AsyncClient`, their answers and their errors (docs/client.md).

It needs httpx and NumPy, and nothing of the service:

    from softmaxd.client import Client

    with Client("http://127.0.0.1:8000") as client:
        print(client.predict([[10.5, 4.6]]).labels)

- `errors`: one exception for each kind of failure, below `ClientError`.
- `rows`: lists, arrays and data frames as rows that can be cut.
- `steps`: the requests and pauses that a call asks for; no module but `clients` does input or output.
- `retries`: requests repeated within a budget.
- `answers`: responses as NumPy arrays. `tensors`: the same from the bytes of `/v2`.
- `calls`: each call as a generator of steps. `clients` runs them, blocking or in an event loop.
"""

try:
    import httpx  # noqa: F401 - its absence has a sentence of its own
except ImportError as error:
    raise ImportError("softmaxd.client needs httpx: pip install 'softmaxd[client]'") from error

from softmaxd.client.answers import Model, Prediction, Softmax
from softmaxd.client.clients import AsyncClient, Client
from softmaxd.client.errors import (
    Busy,
    ClientError,
    ConnectionLost,
    Forbidden,
    InvalidRequest,
    NotFound,
    Problem,
    ServiceFailed,
    TimedOut,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from softmaxd.client.retries import Retries

__all__ = [
    "AsyncClient",
    "Busy",
    "Client",
    "ClientError",
    "ConnectionLost",
    "Forbidden",
    "InvalidRequest",
    "Model",
    "NotFound",
    "Prediction",
    "Problem",
    "Retries",
    "ServiceFailed",
    "Softmax",
    "TimedOut",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
]
