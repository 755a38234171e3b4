import hashlib

import pytest

from softmaxd.access import check_admin
from softmaxd.errors import Forbidden, Unauthorized

KEYS = [hashlib.sha256(key).hexdigest() for key in (b"first", b"second")]


def test_without_a_configured_key_nobody_is_admitted() -> None:
    with pytest.raises(Forbidden):
        check_admin([(b"authorization", b"Bearer anything")], [])


@pytest.mark.parametrize("value", [b"Bearer first", b"bearer second", b"Bearer  second "])
def test_one_of_the_keys_is_admitted(value: bytes) -> None:
    check_admin([(b"host", b"x"), (b"authorization", value)], KEYS)


@pytest.mark.parametrize("value", [b"", b"Bearer", b"Bearer ", b"Bearer third", b"Basic first", b"first", b"\xff\xfe"])
def test_anything_else_is_not(value: bytes) -> None:
    with pytest.raises(Unauthorized):
        check_admin([(b"authorization", value)], KEYS)


def test_a_request_without_a_key_is_not_admitted() -> None:
    with pytest.raises(Unauthorized):
        check_admin([], KEYS)


def test_a_hash_itself_is_no_key() -> None:
    with pytest.raises(Unauthorized):
        check_admin([(b"authorization", b"Bearer " + KEYS[0].encode())], KEYS)
