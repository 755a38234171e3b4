"""Errors of the operating system are one line with the reason and the file."""

import errno

import pytest

from softmaxd.os_errors import naming, sentence


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device: out.csv"),
        (OSError(errno.ENOENT, "No such file or directory", "in.csv"), "No such file or directory: in.csv"),
        (OSError(errno.ENOSPC, "No space left on device", "a", None, "b"), "No space left on device: a -> b"),
        (OSError("no"), "no: out.csv"),
    ],
)
def test_an_error_without_a_file_gets_its_name(error: OSError, line: str) -> None:
    with pytest.raises(OSError, match=r"a|csv") as raised, naming("out.csv"):
        raise error

    assert sentence(raised.value) == line


def test_an_error_that_nobody_named_is_its_reason() -> None:
    assert sentence(OSError(errno.EBADF, "Bad file descriptor")) == "Bad file descriptor"
