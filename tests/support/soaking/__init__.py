"""A soak: mixed requests of all kinds to a real server for minutes, with models that change, and nothing left over."""
