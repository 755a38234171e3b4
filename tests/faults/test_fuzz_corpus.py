"""Inputs that fuzzing once found, or began with, are answered or refused; `make fuzz` goes on from them."""

import pytest

from tests.support.fuzzing.targets import CORPUS, TARGETS, planted


@pytest.mark.parametrize("name", TARGETS)
def test_every_input_of_the_corpus_is_answered_or_refused(name: str) -> None:
    files = sorted((CORPUS / name).iterdir())

    assert files
    with TARGETS[name].open() as run:
        for file in files:
            run(file.read_bytes())


def test_the_planted_error_is_an_error() -> None:
    with pytest.raises(ValueError, match="planted"):
        planted(b"soft")
