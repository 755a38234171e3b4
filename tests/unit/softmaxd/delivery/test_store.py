"""The rest of a file, in blocks."""

import io

from softmaxd.delivery import store
from softmaxd.delivery.store import blocks


def test_no_more_is_read_than_the_file_had_when_it_was_opened() -> None:
    assert b"".join(blocks(io.BytesIO(b"234567").read, 2, 5)) == b"234"


def test_a_file_that_became_shorter_ends_early() -> None:
    assert list(blocks(io.BytesIO(b"23").read, 2, 5)) == [b"23"]


def test_blocks_have_a_size() -> None:
    size = store.BLOCK_BYTES

    assert [len(block) for block in blocks(io.BytesIO(bytes(2 * size + 1)).read, 0, 2 * size + 1)] == [size, size, 1]
