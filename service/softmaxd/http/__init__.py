"""The way of a request: operations, the two lanes that run them, connections and the life of a process.

Knows no protocol. Imports `metrics`, `models` and `numerics`.
"""
