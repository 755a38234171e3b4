"""Requests and responses of `/v2/models/…/infer`."""

import json
import socket
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np

from softmaxd.models.outputs import Array
from tests.support.arrays import float32

INFER = "/v2/models/blobs/infer"
NEAR_THE_CENTRES = [[15.2, 0.3], [14.8, 15.1], [0.1, 14.7], [30.3, 14.9]]
AWKWARD = [[-0.0, 5e-324], [1e-45, -1e-38], [0.1, 1 / 3], [16777217, -2147483649], [12.345678901234567, -1e4]]
MIB = 2**20

Json = dict[str, Any]


def tensor(rows: Sequence[Sequence[float]] = NEAR_THE_CENTRES, **changes: object) -> Json:
    """Return an input with flat data; a change to `...` leaves the key out."""
    whole = {
        "name": "features",
        "shape": [len(rows), 2],
        "datatype": "FP32",
        "data": [number for row in rows for number in row],
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not ...}


def in_bytes(rows: Sequence[Sequence[float]] = NEAR_THE_CENTRES, **changes: object) -> tuple[Json, bytes]:
    """Return an input whose tensor follows the JSON, and the tensor."""
    raw = float32(rows).tobytes()
    return tensor(rows, **{"data": ..., "parameters": {"binary_data_size": len(raw)}, **changes}), raw


def connected(base_url: str) -> socket.socket:
    address = urlsplit(base_url)
    return socket.create_connection((address.hostname, address.port or 80), timeout=30)


def joined(request: Json, *tensors: bytes) -> tuple[bytes, dict[str, str]]:
    """Return a body of JSON and tensors, and the header that it needs."""
    text = json.dumps(request).encode()
    return b"".join([text, *tensors]), {"Inference-Header-Content-Length": str(len(text))}


def outputs_of(response: httpx.Response) -> dict[str, Array]:
    """Return the numbers of each output, from JSON or from bytes."""
    assert response.status_code == 200, response.text
    length = int(response.headers.get("inference-header-content-length", len(response.content)))
    rest = response.content[length:]
    found = {}
    for output in json.loads(response.content[:length])["outputs"]:
        assert output["datatype"] == "FP32"
        if "data" in output:
            values = np.array(output["data"], dtype=np.float64).astype(np.float32)
        else:
            size = output["parameters"]["binary_data_size"]
            values, rest = np.frombuffer(rest[:size], "<f4"), rest[size:]
        found[output["name"]] = values.reshape(output["shape"])
    assert rest == b""
    return found
