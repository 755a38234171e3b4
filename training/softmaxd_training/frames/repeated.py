"""The texts of a column kept in one or two bytes each, as long as different ones are few."""

import pyarrow as pa

BYTE, TWO_BYTES = pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int16(), pa.string())
MOST = {BYTE: 2**7, TWO_BYTES: 2**15}  # different texts of a block
LEAST_REPEATED = 4  # how often texts occur, for two bytes: a string has 4 bytes beside its characters


class Texts:
    """The texts of one column, block by block; all blocks have one type."""

    def __init__(self) -> None:
        self._blocks: list[pa.Array] = []
        self._type = BYTE
        self._rows = self._different = 0  # of all blocks

    def add(self, texts: pa.Array) -> None:
        """Add a block of texts."""
        if self._type == pa.string():
            self._blocks.append(texts)
            return
        encoded = texts.dictionary_encode()
        self._rows += len(texts)
        self._different += len(encoded.dictionary)
        kind = max(self._type, self._type_for(len(encoded.dictionary)), key=ORDER.index)
        if kind != self._type:
            self._blocks = [_changed(block, kind) for block in self._blocks]
            self._type = kind
        self._blocks.append(_changed(encoded, kind))

    def _type_for(self, different: int) -> pa.DataType:
        if different <= MOST[BYTE]:
            return BYTE
        repeated = self._different * LEAST_REPEATED <= self._rows  # so far, as the last block may be short
        return TWO_BYTES if repeated and different <= MOST[TWO_BYTES] else pa.string()

    def column(self) -> pa.ChunkedArray:
        """Return all texts: strings, or a dictionary of them in each block."""
        return pa.chunked_array(self._blocks, self._type)


ORDER = [BYTE, TWO_BYTES, pa.string()]


def _changed(block: pa.DictionaryArray, kind: pa.DataType) -> pa.Array:
    if kind == pa.string():
        return block.cast(kind)
    return pa.DictionaryArray.from_arrays(block.indices.cast(kind.index_type), block.dictionary)
