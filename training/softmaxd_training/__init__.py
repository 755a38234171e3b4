"""Offline training: data → network → checked ONNX file, manifest, card and pictures in a version folder.

Start with `__main__.py`, then read `blobs.py` from top to bottom.
"""

import os

# TensorFlow reads these at its import. Without them it logs, and rounds as its own kernels for this processor do.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # 180 weights: a GPU would be slower, and round differently
os.environ["KERAS_BACKEND"] = "tensorflow"
