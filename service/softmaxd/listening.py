"""The listening socket: opened, told by its URL, and emptied before it closes."""

import ctypes
import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress

from softmaxd.errors import StartupError

SECONDS_TO_CONNECT = 0.01  # for a client that has begun, or whose response was the last one of its connection
ATTACH_FILTER = 26  # SO_ATTACH_FILTER of Linux
NO_SYN = [  # a program of the Berkeley packet filter: (operation, jump if true, jump if false, operand)
    (0x30, 0, 0, 13),  # load the byte of TCP's flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # is it SYN alone?
    (0x06, 0, 0, 0),  # drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # keep it whole
]


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises `StartupError`."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        cure = "choose others by --host and --port, or SOFTMAXD_HOST and SOFTMAXD_PORT"
        raise StartupError(f"cannot listen on {host} port {port}: {reason}; {cure}") from error


def url_of(listener: socket.socket, scheme: str) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"{scheme}://{host}:{port}"


def drop_new_connections(listener: socket.socket) -> None:
    """Let no connection begin on a socket, in all processes that share it; those that have begun can be accepted.

    A client that tries is refused as soon as the socket is closed: the kernel sends its first packet again after a
    second. Systems other than Linux have no such filter, and lose a connection that begins in the instant of the end.
    """
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in NO_SYN))
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, struct.pack("HP", len(NO_SYN), ctypes.addressof(program)))


def accept_waiting(listener: socket.socket) -> Iterator[socket.socket]:
    """Accept every connection that waits in a socket, or is about to: the kernel would reset them at its end.

    The process answers nobody meanwhile, so none of its clients comes back later.
    """
    time.sleep(SECONDS_TO_CONNECT)
    listener.setblocking(False)
    with suppress(OSError):  # none waits, or no file descriptor is free
        while True:
            yield listener.accept()[0]
