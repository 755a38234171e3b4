"""Fuzzing with coverage: targets, each a function of bytes, that atheris calls with ever new bytes.

`make fuzz` runs them in an environment of its own; `tests/faults/test_fuzz_corpus.py` runs the committed corpus.
"""
