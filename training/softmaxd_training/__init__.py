"""Offline training: data → network → checked ONNX file, manifest, card and pictures in a version folder.

Read `blobs.py` from top to bottom: it tells the whole story. `recalibration.py` calibrates a model that exists, and
imports nothing of the extra `train`. This package imports `models`, `numerics` and `adding` of softmaxd.
"""

import os

# TensorFlow reads these at its import. Without them it logs, and its kernels round differently on each processor.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # for networks this small a GPU is slower, and it rounds differently
os.environ["KERAS_BACKEND"] = "tensorflow"
