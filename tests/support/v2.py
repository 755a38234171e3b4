"""Requests and responses of `/v2/models/…/infer`."""

import json
from typing import Any

import httpx
import numpy as np

from softmaxd.models.outputs import Array


def joined(request: dict[str, Any], *tensors: bytes) -> tuple[bytes, dict[str, str]]:
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
