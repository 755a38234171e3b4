"""The blobs model behind Ray Serve.

Its high-throughput guide turns on `RAY_SERVE_ENABLE_HA_PROXY` and `RAY_SERVE_THROUGHPUT_OPTIMIZED` (the harness sets
them); its batching guide joins requests with `@serve.batch`. One replica for one core, request log off.
"""

import argparse
import signal

import numpy as np
import onnxruntime
import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse


@serve.deployment(
    num_replicas=1,
    max_ongoing_requests=256,
    ray_actor_options={"num_cpus": 0.1},
    logging_config={"enable_access_log": False, "log_level": "ERROR"},
)
class Blobs:
    """Parses a request, runs it joined with those beside it, answers."""

    def __init__(self, model: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options)

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.0)
    async def run(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        probabilities = self._session.run(["probabilities"], {"features": np.concatenate(inputs)})[0]
        return np.split(probabilities, np.cumsum([len(rows) for rows in inputs])[:-1])

    async def __call__(self, request: Request) -> JSONResponse:
        body = await request.json()
        probabilities = await self.run(np.array(body["instances"], np.float32))
        return JSONResponse({"probabilities": probabilities.tolist()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    ray.init(num_cpus=1, include_dashboard=False, object_store_memory=256 * 2**20, log_to_driver=False)
    serve.start(
        http_options={"host": "127.0.0.1", "port": arguments.port},
        logging_config={"enable_access_log": False},
    )
    serve.run(Blobs.bind(arguments.model), route_prefix="/")
    signal.pause()
