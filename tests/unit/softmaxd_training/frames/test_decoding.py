import io
from concurrent.futures import ThreadPoolExecutor

import pytest

from softmaxd.errors import Refused
from softmaxd_training.frames.decoding import Decoded, Position, known


def decoded(content: bytes, encoding: str | None = None, size: int = 7) -> bytes:
    stream = Decoded(io.BytesIO(content), encoding)
    return b"".join(iter(lambda: stream.read(size), b""))


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("a,é\n1,€\n".encode(), None),
        ("a,é\n1,€\n".encode("utf-8-sig"), None),
        ("a,é\n1,€\n".encode("utf-8-sig"), "utf-8"),
        ("a,é\n1,€\n".encode("utf-16"), None),
        (b"\xfe\xff" + "a,é\n1,€\n".encode("utf-16-be"), None),
        ("a,é\n1,€\n".encode("utf-16-le"), "utf-16"),
        ("a,é\n1,€\n".encode("utf-32"), None),
        ("a,é\n1,€\n".encode("cp1252"), "cp1252"),
        ("a,é\n1,€".encode("iso8859-15"), "latin9"),
    ],
)
def test_text_becomes_utf8_and_its_last_line_ends(content: bytes, encoding: str | None) -> None:
    assert decoded(content, encoding) == "a,é\n1,€\n".encode()


@pytest.mark.parametrize("content", [b"a\r", b"a\n", b"a\r\n", b"\n"])
def test_a_line_that_ends_stays_as_it_is(content: bytes) -> None:
    assert decoded(content) == content


def test_a_stopped_stream_is_at_its_end() -> None:
    stream = Decoded(io.BytesIO(b"a,b\n1,2\n"), None)

    assert stream.read(4) == b"a,b\n"
    with ThreadPoolExecutor(1) as threads:
        stopping = threads.submit(stream.stop)
        while part := stream.read(1):
            assert part in b"1,2\n"
        stopping.result()

    assert stream.read(4) == b""


def test_nothing_stays_nothing() -> None:
    assert decoded(b"") == b""


def test_a_part_is_as_long_as_asked_for_until_the_end() -> None:
    stream = Decoded(io.BytesIO(b"0123456789\n" * 3), None)
    stream.sample(5)

    assert [len(part) for part in iter(lambda: stream.read(10), b"")] == [10, 10, 10, 3]


def test_a_sample_ends_behind_a_line_and_is_read_again() -> None:
    stream = Decoded(io.BytesIO(b"one\ntwo\nthree\n"), None)

    assert stream.sample(10) == b"one\ntwo\n"
    assert stream.sample(100) == b"one\ntwo\nthree\n"
    assert stream.read() == b"one\ntwo\nthree\n"
    assert stream.tail == "ree\n"


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (
            b"a,b\n1,caf\xe9\n",
            None,
            "line 2, character 6: byte 0xe9 is not UTF-8: save the file as UTF-8, or name its encoding, such as"
            " --encoding latin-1",
        ),
        (
            "a,é\n".encode("utf-16-le"),
            None,
            "line 1, character 5: byte 0xe9 is not UTF-8: save the file as UTF-8, or name its encoding, such as"
            " --encoding utf-16",
        ),
        (
            b"a,b\r\n1,\r2,\x81\n",
            "cp1252",
            "line 3, character 3: byte 0x81 is not CP1252: save the file as UTF-8, or name its encoding, such as"
            " --encoding latin-1",
        ),
        (
            b"a,b\n1,\0\n",
            None,
            "line 2, character 3: a NUL byte: save the file as text in UTF-8; if it is UTF-16, add --encoding utf-16",
        ),
        (b"a,+2AA-\n", "utf-7", "line 1, character 1: this is not UTF-7: name its encoding by --encoding"),
        (b"a", "tlhingan", "there is no encoding 'tlhingan': use one such as utf-8, utf-16, latin-1 or cp1252"),
        (b"a", "base64", "there is no encoding 'base64': use one such as utf-8, utf-16, latin-1 or cp1252"),
        (b"a", "\0", "there is no encoding '\\x00': use one such as utf-8, utf-16, latin-1 or cp1252"),
    ],
)
@pytest.mark.parametrize("size", [5, 100])
def test_wrong_bytes_are_refused_by_line_and_character(
    content: bytes, encoding: str | None, message: str, size: int
) -> None:
    with pytest.raises(Refused) as refused:
        decoded(content, encoding, size)

    assert str(refused.value) == message


def test_an_encoding_has_many_names() -> None:
    assert [known(name) for name in ("UTF8", "latin-1", "utf-16")] == ["utf-8", "iso8859-1", "utf-16-le"]


@pytest.mark.parametrize("cut", range(9))
def test_a_position_does_not_depend_on_the_parts(cut: int) -> None:
    text = "ab\r\nc\rd\ne"

    assert str(Position().advance(text[:cut]).advance(text[cut:])) == "line 4, character 2"
