"""The blobs model behind MLServer: a custom runtime, as its documentation shows.

For speed: `parallel_workers` 0 (the inference pool costs a trip through a second process, which pays only for models
that hold the interpreter), a coroutine that runs the model in place, no gzip, no debug log.
"""

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Blobs(MLModel):
    """One session; `features` in, `probabilities` out."""

    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(self.settings.parameters.uri, options)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        features = NumpyCodec.decode_input(payload.inputs[0])
        probabilities = self._session.run(["probabilities"], {"features": features})[0]
        return InferenceResponse(
            model_name=self.name, outputs=[NumpyCodec.encode_output("probabilities", probabilities)]
        )
