"""The requests to the contenders, and the expected replies, from the model run in this process."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.load import Exchange, Reply, WrongAnswer

ONE_ROW = [[15.2, 0.3]]
LOGITS = [0.7, 1.5, 4.8]
LARGE_ROWS = 100_000
MEBIBYTE = 2**20
TOLERANCE = 1e-5

Matrix = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


class Questions:
    """Requests with their expected answers, from the model run in this process."""

    def __init__(self, model: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(model), options)

        def run(rows: list[list[float]]) -> Matrix:
            features = np.array(rows, np.float32)
            probabilities: Matrix = session.run(["probabilities"], {"features": features})[0]
            return probabilities

        rows = _rows(LARGE_ROWS)
        size = len(_json({"instances": rows}))
        mebibyte = rows[: LARGE_ROWS * MEBIBYTE // size]
        self.model = model
        self.one = _native(ONE_ROW, run(ONE_ROW))
        self.large = _native(rows, run(rows))
        self.mebibyte = _native(mebibyte, run(mebibyte))
        self.softmax = _softmax(LOGITS)
        self.v2_one = _v2_json(ONE_ROW, run(ONE_ROW))
        self.v2_one_binary = v2_binary("blobs", ONE_ROW, run(ONE_ROW))
        self.v2_large = _v2_json(rows, run(rows))
        self.v2_large_binary = v2_binary("blobs", rows, run(rows))
        self.bare_list = Exchange("/predict", self.one.body, _list_check(run(ONE_ROW)))
        self.root = Exchange("/", self.one.body, self.one.check)


def constant(exchange: Exchange, reply: bytes) -> Exchange:
    """Return the exchange with a server that answers a constant."""

    def is_constant(answer: Reply) -> None:
        if answer.body != reply:
            raise WrongAnswer(f"not the constant, but {answer.body[:200]!r}")

    return Exchange(exchange.path, exchange.body, is_constant, exchange.headers)


def _rows(count: int) -> list[list[float]]:
    numbers = np.random.default_rng(7).uniform((-5.0, -5.0), (35.0, 20.0), (count, 2))
    rows: list[list[float]] = numbers.round(4).tolist()
    return rows


def _native(rows: list[list[float]], expected: Matrix) -> Exchange:
    return Exchange(
        "/predict",
        _json({"instances": rows}),
        lambda reply: _compare(_field(reply, "probabilities"), expected),
    )


def _list_check(expected: Matrix) -> Callable[[Reply], None]:
    return lambda reply: _compare(_load(reply), expected)


def _softmax(logits: list[float]) -> Exchange:
    powers = np.exp(np.array(logits) - max(logits))
    expected = powers / powers.sum()
    body = _json({"logits": logits})
    return Exchange("/softmax", body, lambda reply: _compare(_field(reply, "probabilities"), expected))


def _v2_json(rows: list[list[float]], expected: Matrix) -> Exchange:
    features = {"name": "features", "shape": [len(rows), len(rows[0])], "datatype": "FP32"}
    flat = [number for row in rows for number in row]
    body = _json({"inputs": [{**features, "data": flat}], "outputs": [{"name": "probabilities"}]})

    def is_right(reply: Reply) -> None:
        output = _output(_load(reply))
        _compare(np.array(output["data"]).reshape(output["shape"]), expected)

    return Exchange("/v2/models/blobs/infer", body, is_right)


def v2_binary(model: str, rows: list[list[float]] | Matrix, expected: Matrix) -> Exchange:
    """Return a request of rows as a binary tensor to a model, answered by one."""
    tensor = np.array(rows, "<f4")
    head = _json({
        "inputs": [{
            "name": "features",
            "shape": list(tensor.shape),
            "datatype": "FP32",
            "parameters": {"binary_data_size": tensor.nbytes},
        }],
        "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}],
    })  # fmt: skip
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}

    def is_right(reply: Reply) -> None:
        try:
            length = int(reply.headers["inference-header-content-length"])
            output = _output(json.loads(reply.body[:length]))
            _compare(np.frombuffer(reply.body[length:], "<f4").reshape(output["shape"]), expected)
        except (KeyError, ValueError) as error:
            raise WrongAnswer(f"not a binary answer: {error!r}") from error

    return Exchange(f"/v2/models/{model}/infer", head + tensor.tobytes(), is_right, headers)


def _output(answer: object) -> dict[str, list[int]]:
    if isinstance(answer, dict):
        for output in answer.get("outputs", []):
            if output.get("name") == "probabilities":
                return dict(output)
    raise WrongAnswer("no output 'probabilities'")


def _field(reply: Reply, name: str) -> object:
    answer = _load(reply)
    if not isinstance(answer, dict) or name not in answer:
        raise WrongAnswer(f"no {name!r} in {reply.body[:200]!r}")
    return answer[name]


def _load(reply: Reply) -> object:
    try:
        answer: object = json.loads(reply.body)
    except ValueError as error:
        raise WrongAnswer(f"not JSON: {reply.body[:200]!r}") from error
    return answer


def _compare(answer: object, expected: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> None:
    numbers = np.array(answer, np.float64)
    if numbers.shape != expected.shape:
        raise WrongAnswer(f"shape {numbers.shape} instead of {expected.shape}")
    if not np.allclose(numbers, expected, rtol=TOLERANCE, atol=TOLERANCE):
        raise WrongAnswer(f"off by up to {np.abs(numbers - expected).max():g}")


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
