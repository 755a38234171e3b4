"""Tells glibc which freed memory to keep, and which to give back; other C libraries decide by themselves."""

import ctypes
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
LARGEST_MMAP_THRESHOLD = 32 * 2**20  # glibc refuses more
KEPT_BYTES = 64 * 2**20


def keep_freed_memory() -> None:
    """Keep the memory that a large request frees for the next one.

    By default glibc gives it back, and the system clears every page again before the next large request can use it.
    """
    with suppress(AttributeError):  # macOS and musl have no mallopt
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def return_freed_memory() -> None:
    """Give all freed memory back: a model takes twice its file while it is loaded, and half of that is free then."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
