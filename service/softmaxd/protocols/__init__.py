"""The protocols of clients: the native interface, `/v1` and `/v2`; `protocol` has their common facts.

Imports every wing but `adding` and `cli`. Protocols do not import each other.
"""
