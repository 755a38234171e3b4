import pytest

from softmaxd.access import ANYONE, NOBODY, Access, Headers, Key, check_model, hash_of, key_in
from softmaxd.errors import Forbidden, Unauthorized

ALL = Key(frozenset({"predict", "read", "admin"}))
KEYS = {
    hash_of(b"first"): Key(),
    hash_of(b"reader"): Key({"read"}),
    hash_of(b"blobs"): Key({"predict"}, {"blobs"}),
    hash_of(b"root"): ALL,
}


def bearer(key: bytes) -> Headers:
    return [(b"host", b"x"), (b"authorization", b"Bearer " + key)]


@pytest.fixture
def access() -> Access:
    return Access(KEYS, is_open=False)


@pytest.mark.parametrize("value", [b"Bearer first", b"bearer first", b"BEARER  first "])
def test_a_known_key_is_admitted_with_its_rights(access: Access, value: bytes) -> None:
    assert access.check([(b"host", b"x"), (b"authorization", value)], "predict") is KEYS[hash_of(b"first")]
    assert access.check([(b"x-api-key", value[7:])], "read") == Key()


@pytest.mark.parametrize("value", [b"", b"Bearer", b"Bearer ", b"Bearer third", b"Basic first", b"first", b"\xff\xfe"])
def test_anything_else_is_not(access: Access, value: bytes) -> None:
    with pytest.raises(Unauthorized):
        access.check([(b"authorization", value)], "predict")
    with pytest.raises(Unauthorized):
        access.check([(b"x-api-key", value + b"?")], "predict")


def test_a_request_without_a_key_hears_how_to_send_one(access: Access) -> None:
    with pytest.raises(Unauthorized, match=r"'Authorization: Bearer KEY' or 'X-API-Key: KEY'") as refused:
        access.check([], "read")

    assert refused.value.headers == {"WWW-Authenticate": 'Bearer realm="softmaxd"'}


def test_a_hash_itself_is_no_key(access: Access) -> None:
    for text in (hash_of(b"first"), hash_of(b"first").hex().encode()):
        with pytest.raises(Unauthorized, match=r"does not know this key"):
            access.check(bearer(text), "predict")


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ([(b"x-api-key", b" a "), (b"authorization", b"Bearer b")], b"a"),
        ([(b"authorization", b"Bearer b"), (b"x-api-key", b"a")], b"a"),
        ([(b"authorization", b"Basic c"), (b"authorization", b"Bearer b"), (b"authorization", b"Bearer d")], b"b"),
        ([(b"x-api-key", b"")], b""),
        ([], b""),
    ],
)
def test_the_key_of_this_service_comes_before_one_of_a_proxy(headers: Headers, key: bytes) -> None:
    assert key_in(headers) == key


def test_a_key_is_for_its_scopes_and_its_models_only(access: Access) -> None:
    access.check(bearer(b"blobs"), "predict", "blobs")
    access.check(bearer(b"blobs"), "predict")
    access.check(bearer(b"reader"), "read", "any")
    for key, scope, model in ((b"reader", "predict", None), (b"first", "admin", None), (b"blobs", "predict", "iris")):
        with pytest.raises(Forbidden):
            access.check(bearer(key), scope, model)  # type: ignore[arg-type]


def test_where_no_key_is_needed_anybody_may_predict_and_read_and_nobody_else_may_change() -> None:
    access = Access({}, is_open=True)

    assert access.check([], "predict", "any") is access.check(bearer(b"any"), "read") is ANYONE
    assert access.rights([]) is ANYONE
    with pytest.raises(Forbidden, match=r"none is configured"):
        access.check(bearer(b"any"), "admin")


def test_an_open_service_still_asks_for_a_key_before_a_change() -> None:
    access = Access(KEYS, is_open=True)

    assert access.check(bearer(b"root"), "admin") is ALL
    with pytest.raises(Unauthorized):
        access.check([], "admin")
    with pytest.raises(Forbidden, match=r"scope admin"):
        access.check(bearer(b"first"), "admin")


def test_without_any_key_everything_is_refused_where_keys_are_needed() -> None:
    with pytest.raises(Unauthorized):
        Access({}, is_open=False).check(bearer(b"first"), "read")


def test_the_rights_of_a_request_are_those_of_its_key(access: Access) -> None:
    assert access.rights(bearer(b"blobs")) == Key({"predict"}, {"blobs"})
    assert access.rights([]) is access.rights(bearer(b"third")) is NOBODY
    assert not NOBODY.may_use("blobs")


def test_a_model_that_does_not_exist_is_refused_as_one_that_does() -> None:
    check_model(ANYONE, "any")
    sentences = set()
    for model in ("iris", "nothing"):
        with pytest.raises(Forbidden) as refused:
            check_model(KEYS[hash_of(b"blobs")], model)
        sentences.add(refused.value.detail)

    assert len(sentences) == 1


def test_a_change_of_the_keys_is_told_after_it(access: Access) -> None:
    known: list[int] = []
    access.on_change.append(lambda: known.append(len(access.keys)))

    access.replace({})

    assert known == [0]
