"""Columns that name their rows are recognised by the number of their different values."""

from softmaxd_training.frames.identifiers import are_free_texts, are_identifiers


def test_values_that_are_all_different_are_identifiers_unless_they_are_few() -> None:
    assert are_identifiers(20, 20)
    assert not are_identifiers(19, 19)
    assert not are_identifiers(99, 100)


def test_texts_most_of_which_are_different_are_free_texts_unless_they_are_few() -> None:
    assert are_free_texts(21, 41)
    assert not are_free_texts(21, 42)
    assert not are_free_texts(20, 21)
