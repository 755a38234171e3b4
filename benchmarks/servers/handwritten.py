"""The service that a good engineer writes in ten minutes: FastAPI, pydantic models, ONNX Runtime."""

import os

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel

LABELS = [f"blob-{index}" for index in range(4)]

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
app = FastAPI()


class PredictRequest(BaseModel):
    instances: list[list[float]]


class PredictResponse(BaseModel):
    model: str
    version: str
    labels: list[str]
    probabilities: list[list[float]]


@app.post("/predict", response_model=PredictResponse)
async def predict(request: PredictRequest) -> PredictResponse:
    return answer(request)


@app.post("/predict-in-a-thread", response_model=PredictResponse)
def predict_in_a_thread(request: PredictRequest) -> PredictResponse:
    return answer(request)


def answer(request: PredictRequest) -> PredictResponse:
    features = np.array(request.instances, dtype=np.float32)
    probabilities = session.run(["probabilities"], {"features": features})[0]
    return PredictResponse(
        model="blobs",
        version="1",
        labels=[LABELS[index] for index in probabilities.argmax(axis=1)],
        probabilities=probabilities.tolist(),
    )
