from softmaxd.http.chunks import MAX_CHUNKS, Chunks

BODY = b"5\r\nhello\r\nA;name=value\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n"
AFTER = b"GET / HTTP/1.1\r\n\r\n"


def test_a_piece_ends_with_the_body() -> None:
    assert Chunks().cut(b"before" + BODY + AFTER, len(b"before")) == len(b"before" + BODY)


def test_it_does_not_matter_where_the_bytes_are_split() -> None:
    for split in range(1, len(BODY)):
        chunks = Chunks()
        assert chunks.cut(BODY[:split], 0) == split
        assert chunks.cut(BODY[split:] + AFTER, 0) == len(BODY) - split
    chunks = Chunks()
    assert [chunks.cut(bytes([byte]), 0) for byte in BODY] == [1] * len(BODY)


def test_a_piece_has_at_most_so_many_chunks() -> None:
    chunks, one = Chunks(), b"1\r\n \r\n"
    received = one * (MAX_CHUNKS + 5) + b"0\r\n\r\n" + AFTER

    first = chunks.cut(received, 0)

    assert abs(first - MAX_CHUNKS * len(one)) < len(one)
    assert chunks.cut(received, first) == len(received) - len(AFTER)


def test_the_parser_gets_all_that_is_no_chunk() -> None:
    for wrong in (b"x\r\n", b"-5\r\n", b" 1\r\n", b"1_0\r\n", b"1\n", b"\r\n", b"0x1\r\n", b"1" * 17 + b"\r\n"):
        assert Chunks().cut(wrong + AFTER, 0) == len(wrong + AFTER)
