"""The values of a column of any type as texts."""

import pyarrow as pa
import pyarrow.compute as pc


def texts_of(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts, as `softmaxd predict` reads them from a file.

    Truth is `true` and `false`. A number has the shortest digits that round-trip. A time with a zone is in UTC.
    """
    if pa.types.is_floating(values.type):
        texts = pc.cast(pc.cast(values, pa.float64()), pa.string())
        return pc.if_else(pc.equal(texts, "-0"), "-0.0", texts)
    if pa.types.is_timestamp(values.type):
        values = pc.cast(values, pa.timestamp(values.type.unit))  # the database of zones is not everywhere
    return values if pa.types.is_large_string(values.type) else pc.cast(values, pa.string())
