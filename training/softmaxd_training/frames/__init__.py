"""A table as people have it → a `RawTable` → a `Frame`: read from any file, and then each column understood.

`reading` begins; `rawtable` is between the two halves.
"""
