"""What clients speak: the native interface, `/v1` and `/v2`.

Imports every wing but `adding` and `cli`. Protocols do not import each other.
"""
