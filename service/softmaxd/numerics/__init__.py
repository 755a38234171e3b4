"""Softmax in float64, prediction sets and typicality: mathematics and nothing else.

Imports no other wing.
"""
