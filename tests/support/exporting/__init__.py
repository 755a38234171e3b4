"""Exports models with the libraries themselves: `python -m tests.support.exporting pytorch FOLDER`.

Each library has a process of its own, because PyTorch and TensorFlow do not bear each other. `.venv-exporters` has them
all. A model is written as NAME.onnx, and as NAME.json with some rows and the probabilities that its library gives for
them. The seeds are fixed.
"""
