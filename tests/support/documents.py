"""Reads the examples in the documents."""

import re

PRINTED_HOST = "127.0.0.1:8000"
PRINTED_URL = f"http://{PRINTED_HOST}"
# An example in a fence, and the answer printed in a fence right under it.
EXAMPLE = re.compile(r"^```(sh|python|js)\n(.*?)^```\n(?:\n```(?:json|text)\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


def words(text: str) -> list[str]:
    """Return the texts between the numbers, without blanks and line ends."""
    return ["".join(part.split()) for part in NUMBER.split(text)]
