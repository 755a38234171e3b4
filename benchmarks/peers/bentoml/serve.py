"""The blobs model behind BentoML.

Its documentation's way to throughput is adaptive batching (`batchable=True`): requests that wait are joined into
one call. One worker, as there is one core; a coroutine, as the model is cheaper than a hop to a thread; uvloop and
httptools installed (uvicorn takes them by itself); access log off, metrics on as by default.
"""

import os

import bentoml
import numpy as np
import onnxruntime

NO_ACCESS_LOG = {"access": {"enabled": False}}


@bentoml.service(name="blobs", workers=1, logging=NO_ACCESS_LOG)
class Blobs:
    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(os.environ["MODEL"], options)

    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=1024, max_latency_ms=1000)
    async def predict(self, instances: np.ndarray) -> np.ndarray:
        """Return the probabilities of the rows of one or more joined requests."""
        probabilities: np.ndarray = self._session.run(["probabilities"], {"features": instances.astype(np.float32)})[0]
        return probabilities
