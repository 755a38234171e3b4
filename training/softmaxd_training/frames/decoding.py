"""The bytes of a text file → UTF-8, some at a time; a byte that cannot be read is refused by its line."""

import codecs
import io
from threading import Event, Lock
from typing import BinaryIO

from softmaxd.errors import Refused

MARKS = {  # byte order marks; the longer ones first, as one begins like another
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
LONGEST_MARK = 4
TAIL = 4  # characters: a line end, a quote, and a line end
PAUSE = 1.0  # seconds: a reader that does not read for so long has stopped


def known(encoding: str) -> str:
    """Return Python's name of an encoding of text. Raises `Refused` if there is none."""
    try:
        found = codecs.lookup(encoding)
    except (LookupError, ValueError):  # ValueError for a NUL in the name
        found = None
    if found is None or not found._is_text_encoding:
        raise Refused(f"there is no encoding {encoding!r}: use one such as utf-8, utf-16, latin-1 or cp1252")
    return {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(found.name, found.name)  # as Windows writes them


class Position:
    """A place in a text that is read some characters at a time."""

    def __init__(self) -> None:
        self.line = 1
        self._characters = 0  # of this line
        self._returned = False  # true behind a carriage return, as a newline there ends no further line

    def advance(self, text: str) -> "Position":
        """Go on to the end of `text`."""
        ends = text.count("\n") + text.count("\r") - text.count("\r\n") - (self._returned and text.startswith("\n"))
        behind = len(text) - max(text.rfind("\n"), text.rfind("\r")) - 1
        self._characters = behind if behind < len(text) else self._characters + behind
        self.line += ends
        self._returned = text.endswith("\r") if text else self._returned
        return self

    @property
    def begins_a_line(self) -> bool:
        return not self._characters

    def __str__(self) -> str:
        return f"line {self.line}, character {self._characters + 1}"


class Decoded(io.RawIOBase):
    """A stream of UTF-8 without byte order mark, whose last line has an end.

    `read` and `sample` raise `Refused` for bytes that are not of the encoding, and for NUL.
    """

    def __init__(self, source: BinaryIO, encoding: str | None) -> None:
        super().__init__()
        start = source.read(LONGEST_MARK)
        mark = next((mark for mark in MARKS if start.startswith(mark)), b"")
        self.encoding = MARKS[mark] if mark else known(encoding or "utf-8")
        self._source = source
        self._decoder = codecs.getincrementaldecoder(self.encoding)()
        self._start = start[len(mark) :]  # bytes that are not decoded yet
        self._ready = b""  # UTF-8 that is not read yet
        self._position = Position()
        self._ended = False
        self._reading, self._is_stopped, self._is_over = Lock(), False, Event()
        self.tail = ""  # the last characters before the end

    def readable(self) -> bool:
        return True

    def sample(self, size: int) -> bytes:
        """Return about `size` bytes of the start, up to the end of a line; they are still read later."""
        self._fill(size)
        if self._ended and len(self._ready) <= size:
            return self._ready
        part = self._ready[:size]
        return part[: max(part.rfind(b"\n"), part.rfind(b"\r")) + 1] or part

    def read(self, size: int = -1) -> bytes:
        """Return `size` bytes, and fewer only at the end: pyarrow takes each part for a block that has a whole row."""
        with self._reading:
            part = b""
            try:
                part = b"" if self._is_stopped else self._part(size if size >= 0 else io.DEFAULT_BUFFER_SIZE)
            finally:
                if not part:
                    self._is_over.set()
            return part

    def stop(self) -> None:
        """End here, and return when whoever reads in a thread knows it: pyarrow reads ahead of its parser.

        A thread of pyarrow that still read when Python exits would end the process by a signal (apache/arrow#43604).
        One that has read far enough ahead reads no more, and is not waited for any longer than `PAUSE`.
        """
        self._is_stopped = True
        with self._reading:  # a read that is on its way
            pass
        self._is_over.wait(PAUSE)

    def _part(self, size: int) -> bytes:
        self._fill(size)
        part, self._ready = self._ready[:size], self._ready[size:]
        return part

    def _fill(self, size: int) -> None:
        while len(self._ready) < size and not self._ended:
            self._ready += self._more(size - len(self._ready))

    def _more(self, size: int) -> bytes:
        chunk = self._source.read(size)
        text = self._decode(self._start + chunk, final=not chunk)
        self._start = b""
        if "\0" in text:
            self._position.advance(text[: text.index("\0")])
            raise Refused(
                f"{self._position}: a NUL byte: save the file as text in UTF-8; if it is UTF-16, add --encoding utf-16"
            )
        self._position.advance(text)
        self.tail = (self.tail + text[-TAIL:])[-TAIL:]
        self._ended = not chunk
        return (text if chunk or self._position.begins_a_line else text + "\n").encode()

    def _decode(self, chunk: bytes, *, final: bool) -> str:
        try:
            text = self._decoder.decode(chunk, final)
            text.encode()  # an encoding may know lone surrogates
        except UnicodeDecodeError as error:
            self._position.advance(error.object[: error.start].decode(self.encoding, "replace"))
            found = error.object[error.start]
            likely = "utf-16" if b"\0" in chunk else "latin-1"
            raise Refused(
                f"{self._position}: byte 0x{found:02x} is not {self.encoding.upper()}: save the file as UTF-8,"
                f" or name its encoding, such as --encoding {likely}"
            ) from error
        except UnicodeError as error:
            raise Refused(
                f"{self._position}: this is not {self.encoding.upper()}: name its encoding by --encoding"
            ) from error
        return text
