"""softmaxd: an inference service for softmax classifiers."""

import os
from importlib.metadata import version

__version__ = version("softmaxd")  # of the installed package: pyproject.toml has it

# ONNX Runtime sends telemetry unless this is set before its first import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
