"""Requests to `/v1`, and its errors."""

import httpx

ROWS = [[15.2, 0.3], [14.8, 15.1], [0.1, 14.7], [10.5, 4.6]]
EXAMPLES = [{"x1": x1, "x2": x2} for x1, x2 in ROWS]
LABELS = ["blob-0", "blob-1", "blob-2", "blob-3"]
PREDICT, CLASSIFY = "/v1/models/blobs:predict", "/v1/models/blobs:classify"
GOOD = {PREDICT: b'{"instances": [[1, 2]]}', CLASSIFY: b'{"examples": [{"x1": 1, "x2": 2}]}'}


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Return status and sentence of an error in the form of `/v1`: JSON with the key `error` alone."""
    assert response.headers["content-type"] == "application/json"
    assert list(response.json()) == ["error"]
    return response.status_code, response.json()["error"]
