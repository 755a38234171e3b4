import json

import pytest

from softmaxd.errors import CannotRun, ModelNotFound, OutputNotFinite, QueueFull, UnsupportedMediaType
from softmaxd.protocols.protocol import (
    ADMIN_ERRORS,
    BODY_ERRORS,
    LOAD_ERRORS,
    MODEL_ERRORS,
    content_headers,
    headers_of,
    refuse_compressed,
    refuse_in_one_sentence,
    status_of_others,
)


def statuses(errors: tuple[type[Exception], ...]) -> set[int]:
    return {error.status for error in errors if hasattr(error, "status")}


def test_each_kind_of_operation_has_its_errors() -> None:
    body = {401, 403, 408, 413, 415, 422, 429, 431, 503}

    assert statuses(BODY_ERRORS) == body
    assert statuses(MODEL_ERRORS) == body | {404, 504}
    assert statuses(ADMIN_ERRORS) == body | {404}
    assert statuses(LOAD_ERRORS) == body | {400, 404}


def test_the_headers_of_an_error_are_bytes_with_lower_case_names() -> None:
    error = QueueFull("Full")
    error.headers = {"Retry-After": "1", "Connection": "close"}

    assert headers_of(error, b"gzip") == ((b"retry-after", b"1"), (b"connection", b"close"))


def test_a_415_names_the_encodings_that_bodies_may_have() -> None:
    assert headers_of(UnsupportedMediaType("br"), b"gzip") == ((b"accept-encoding", b"gzip"),)


def test_the_first_of_several_headers_of_the_body_counts() -> None:
    headers = [(b"host", b"a"), (b"content-type", b"text/plain"), (b"content-type", b"application/json")]

    assert content_headers(headers) == {b"content-type": b"text/plain"}


@pytest.mark.parametrize("encoding", [b"gzip", b"GZIP", b"identity, gzip"])
def test_a_compressed_body_is_refused(encoding: bytes) -> None:
    with pytest.raises(UnsupportedMediaType):
        refuse_compressed({b"content-encoding": encoding})


@pytest.mark.parametrize("headers", [{}, {b"content-encoding": b""}, {b"content-encoding": b" Identity "}])
def test_a_body_that_is_not_compressed_is_taken(headers: dict[bytes, bytes]) -> None:
    refuse_compressed(headers)


def test_other_servers_answer_400_to_a_wrong_body_only() -> None:
    assert status_of_others(OutputNotFinite, 422) == 400
    assert status_of_others(CannotRun, 422) == 400
    assert status_of_others(ModelNotFound, 404) == 404


def test_an_error_in_one_sentence_keeps_its_headers() -> None:
    full = refuse_in_one_sentence(QueueFull("Full"), b"gzip")
    unsupported = refuse_in_one_sentence(UnsupportedMediaType("br"), b"gzip")

    assert (full.status, json.loads(full.body), full.headers) == (429, {"error": "Full"}, ((b"retry-after", b"1"),))
    assert (unsupported.status, unsupported.headers) == (415, ((b"accept-encoding", b"gzip"),))
