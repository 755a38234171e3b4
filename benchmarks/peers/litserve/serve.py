"""The blobs model behind LitServe.

As its documentation recommends for throughput: batching (`max_batch_size`), the ZeroMQ queue instead of a
`multiprocessing` one (`fast_queue`), one API process and one worker for one core, uvloop and httptools.
"""

import argparse
from typing import Any

import litserve
import numpy as np
import onnxruntime


class Blobs(litserve.LitAPI):
    """Decode, join, run, split, encode: the steps of a LitServe API."""

    def __init__(self, model: str) -> None:
        super().__init__(max_batch_size=64, batch_timeout=0.01)
        self._model = model

    def setup(self, device: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(self._model, options)

    def decode_request(self, request: dict[str, Any]) -> np.ndarray:
        return np.array(request["instances"], np.float32)

    def batch(self, inputs: list[np.ndarray]) -> tuple[np.ndarray, list[int]]:
        return np.concatenate(inputs), [len(rows) for rows in inputs]

    def predict(self, batch: tuple[np.ndarray, list[int]]) -> list[np.ndarray]:
        features, lengths = batch
        probabilities = self._session.run(["probabilities"], {"features": features})[0]
        return np.split(probabilities, np.cumsum(lengths)[:-1])

    def unbatch(self, output: list[np.ndarray]) -> list[np.ndarray]:
        return output

    def encode_response(self, output: np.ndarray) -> dict[str, Any]:
        return {"probabilities": output.tolist()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    server = litserve.LitServer(
        Blobs(arguments.model), accelerator="cpu", devices=1, workers_per_device=1, fast_queue=True
    )
    server.run(
        host="127.0.0.1",
        port=arguments.port,
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
    )
