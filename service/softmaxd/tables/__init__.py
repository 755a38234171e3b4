"""Tables: the rows of a CSV or Parquet file → checked features, some at a time, and the labels beside them.

`softmaxd predict`, `models add` and training read tables here. The rows for a model become features as those of a
request to `/predict` do.
"""
