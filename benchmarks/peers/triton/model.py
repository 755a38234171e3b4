"""A model in Triton's Python backend (the wheel carries no ONNX backend)."""

import json
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """One session; the requests that Triton's dynamic batcher joined are run in one call."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(config["parameters"]["threads"]["string_value"])
        self._session = onnxruntime.InferenceSession(config["parameters"]["model"]["string_value"], options)

    def execute(self, requests: list[Any]) -> list[Any]:
        inputs = [pb_utils.get_input_tensor_by_name(request, "features").as_numpy() for request in requests]
        features = inputs[0] if len(inputs) == 1 else np.concatenate(inputs)
        probabilities = self._session.run(["probabilities"], {"features": features})[0]
        responses, start = [], 0
        for rows in inputs:
            part = probabilities[start : start + len(rows)]
            start += len(rows)
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("probabilities", part)]))
        return responses
