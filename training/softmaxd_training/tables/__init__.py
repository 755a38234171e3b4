"""Classifiers of tables with numbers, texts and missing values, each as one ONNX graph from the cells to probabilities.

A table is two arrays: numbers [n, a] in float32, where NaN is missing, and texts [n, b], objects of str, where "" is.
"""
