"""`softmaxd models add`: ONNX graphs read, understood, rewired and published.

Imports `models` and `numerics`. Serving code never imports this wing: it needs onnx, which serving does not.
"""
