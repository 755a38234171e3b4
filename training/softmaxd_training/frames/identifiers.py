"""Recognises columns that name their rows, from which nothing can be learnt: identifiers and free texts."""

LEAST_ROWS = 20  # values that are all different by chance if there are fewer
LEAST_TEXTS = 20  # different texts that are few enough to be categories
MOST_DIFFERENT = 0.5  # of the values of a category; in a free text more of them are different


def are_identifiers(different: int, present: int) -> bool:
    """Return True if so many values are present and all are different."""
    return different == present >= LEAST_ROWS


def are_free_texts(different: int, present: int) -> bool:
    """Return True if most of the texts are different, so that few rows have something in common."""
    return different > LEAST_TEXTS and different > MOST_DIFFERENT * present
