import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from softmaxd.errors import InvalidBody, TooLarge, UnsupportedMediaType
from softmaxd.http.compression import accepted_encoding, check_encoding, deflate, inflate, inflates_beyond

BOTH = pytest.mark.parametrize(
    ("encoding", "pack", "unpack"),
    [(b"gzip", gzip.compress, gzip.decompress), (b"deflate", zlib.compress, zlib.decompress)],
)
Code = Callable[[bytes], bytes]
MIB = 2**20


@BOTH
def test_other_programs_inflate_our_bodies_and_we_theirs(encoding: bytes, pack: Code, unpack: Code) -> None:
    assert inflate(pack(b"some text"), encoding, max_bytes=9) == b"some text"
    assert unpack(deflate(b"some text", encoding)) == b"some text"


@BOTH
def test_a_body_may_be_as_large_as_the_limit(encoding: bytes, pack: Code, unpack: Code) -> None:
    with pytest.raises(TooLarge, match="larger than 8 bytes"):
        inflate(pack(b"some text"), encoding, max_bytes=8)

    assert inflate(pack(b"some text"), encoding, max_bytes=9)


@BOTH
def test_no_more_is_inflated_than_the_limit(encoding: bytes, pack: Code, unpack: Code) -> None:
    bomb = pack(bytes(32 * MIB))
    tracemalloc.start()

    with pytest.raises(TooLarge):
        inflate(bomb, encoding, max_bytes=MIB)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * MIB


@pytest.mark.parametrize("encoding", [b"", b"identity", b" Identity "])
def test_a_body_without_an_encoding_stays_as_it_is(encoding: bytes) -> None:
    check_encoding(encoding)

    assert inflate(b"some text", encoding, max_bytes=1) == b"some text"


@pytest.mark.parametrize("encoding", [b"br", b"gzip, gzip", b"x"])
def test_another_encoding_is_refused(encoding: bytes) -> None:
    for refuse in (check_encoding, lambda it: inflate(b"", it, max_bytes=1)):
        with pytest.raises(UnsupportedMediaType, match="gzip or deflate"):
            refuse(encoding)


@BOTH
def test_a_body_must_be_one_complete_stream(encoding: bytes, pack: Code, unpack: Code) -> None:
    packed = pack(b"some text")

    for wrong in (b"", packed[:-1], packed + b"x", packed[1:], b"some text", packed + packed[:-1]):
        with pytest.raises(InvalidBody, match="one complete stream"):
            inflate(wrong, encoding, max_bytes=100)


def test_several_streams_may_follow_each_other_in_gzip_only() -> None:
    whole = b"some text" * 30_000
    parts = [whole[start : start + 1000] for start in range(0, len(whole), 1000)]

    assert inflate(b"".join(map(gzip.compress, parts)), b"gzip", max_bytes=len(whole)) == whole
    with pytest.raises(TooLarge):
        inflate(b"".join(map(gzip.compress, parts)), b"gzip", max_bytes=len(whole) - 1)
    with pytest.raises(InvalidBody):
        inflate(zlib.compress(b"{}") * 2, b"deflate", max_bytes=100)
    with pytest.raises(InvalidBody):
        inflate(gzip.compress(b"") * 100_000, b"gzip", max_bytes=100)


@BOTH
def test_a_body_of_any_size_is_inflated(encoding: bytes, pack: Code, unpack: Code) -> None:
    for size in (0, 1, 258, 65_535, 65_536, 65_537, 1_000_000):
        for text in (bytes(size), bytes(range(256)) * (size // 256)):
            assert inflate(pack(text), encoding, max_bytes=size) == text
            assert inflates_beyond(pack(text), encoding, len(text) - 1)
            assert not inflates_beyond(pack(text), encoding, len(text))
    assert not inflates_beyond(b"x", encoding, 100)


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        (b"gzip", b"gzip"),
        (b"deflate", b"deflate"),
        (b"deflate,gzip", b"gzip"),
        (b"gzip;q=0.5, deflate;q=0.8", b"deflate"),
        (b"gzip ; q = 1.0", b"gzip"),
        (b"gzip;level=9", b"gzip"),
        (b"br", None),
        (b"*", None),
        (b"x-gzip", None),
        (b"gzip;q=0.0", None),
        (b"gzip;q=nan", None),
        (b"gzip;q=-1", None),
        (b"gzip;q=", None),
        (b";;,,=", None),
        (b"", None),
    ],
)
def test_an_answer_gets_an_encoding_that_the_client_lists(accepted: bytes, encoding: bytes | None) -> None:
    assert accepted_encoding(accepted) == encoding
