"""The blobs model behind mosec.

Its Rust front joins requests for processes in Python. As its documentation recommends: dynamic batching
(`max_batch_size`, and a `max_wait_time` that its smallest unit allows), JSON by methods of our own, here with msgspec,
on which its typed mixin is built, and a process for each core. One thread of ONNX Runtime; metrics on as by default.
"""

import argparse
import os
import sys

import msgspec
import numpy as np
import onnxruntime
from mosec import Server, Worker
from mosec.errors import DecodingError

BATCH_REQUESTS = 64
WAIT_MILLISECONDS = 1


class Request(msgspec.Struct):
    """The body of a request."""

    instances: list[list[float]]


class Blobs(Worker):
    """Decode, join, run, split, encode."""

    def __init__(self) -> None:
        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
        self._decoder = msgspec.json.Decoder(Request)
        self._encoder = msgspec.json.Encoder()

    def deserialize(self, data: bytes) -> np.ndarray:
        try:
            return np.array(self._decoder.decode(data).instances, np.float32)
        except msgspec.MsgspecError as error:
            raise DecodingError from error

    def forward(self, data: list[np.ndarray]) -> list[np.ndarray]:
        probabilities = self._session.run(["probabilities"], {"features": np.concatenate(data)})[0]
        return np.split(probabilities, np.cumsum([len(rows) for rows in data])[:-1])

    def serialize(self, data: np.ndarray) -> bytes:
        return self._encoder.encode({"probabilities": data.tolist()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", required=True)
    parser.add_argument("--workers", type=int, required=True)
    arguments = parser.parse_args()
    os.environ["MODEL"] = arguments.model  # for the workers, which import this file again
    sys.argv[1:] = ["--address", "127.0.0.1", "--port", arguments.port, "--log-level", "warning"]
    server = Server()
    server.append_worker(
        Blobs,
        num=arguments.workers,
        max_batch_size=BATCH_REQUESTS,
        max_wait_time=WAIT_MILLISECONDS,
        route="/predict",
    )
    server.run()
