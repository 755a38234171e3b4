"""Counts, histograms and drift, and their exposition for Prometheus.

Imports `models` and `numerics`.
"""
