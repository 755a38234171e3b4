"""softmaxd: an inference service for softmax classifiers."""

import os

__version__ = "0.1.0"

# ONNX Runtime sends telemetry unless this is set before its first import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
