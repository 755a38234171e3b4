"""A name server for one name, on loopback: as that of Docker, it tells the addresses of the replicas that there are."""

import socket
import struct
import threading
from contextlib import suppress

A, TTL = 1, 1
ANSWER, NO_SUCH_NAME = 0x8580, 0x8583  # authoritative, with recursion
POINTER = 0xC00C  # to the name in the question
HEADER = 12


class Names:
    """Answers every question of type A with `addresses`, and says of any other that there is no such record."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def __enter__(self) -> "Names":
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            question, client = self._socket.recvfrom(4096)
            if not question:
                return
            with suppress(OSError):
                self._socket.sendto(self.answer(question), client)

    def answer(self, question: bytes) -> bytes:
        """Return the answer to a question (RFC 1035, section 4)."""
        end = question.index(b"\0", HEADER) + 5  # the name, its type and its class
        (kind,) = struct.unpack("!H", question[end - 4 : end - 2])
        addresses = list(self.addresses) if kind == A else []
        code = ANSWER if addresses or kind != A else NO_SUCH_NAME
        head = question[:2] + struct.pack("!5H", code, 1, len(addresses), 0, 0)
        records = [struct.pack("!3HIH", POINTER, A, 1, TTL, 4) + socket.inet_aton(address) for address in addresses]
        return head + question[HEADER:end] + b"".join(records)
