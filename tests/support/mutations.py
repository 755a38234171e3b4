"""Changes of a body of JSON, drawn by Hypothesis."""

import os
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st

fuzz = settings(max_examples=1000 if "CI" in os.environ else 200)

TOKENS = [b"[", b"]", b",", b'"', b"[[", b"]]", b"],[", b"{", b"}", b":", b" ", b"-", b".", b"e", b"0", b"\\", b"\x00"]
TOKENS += [b"\xff", b"\xef\xbb\xbf", b"[]", b'"instances":', b'"inst\\u0061nces":[[3,4]],', b'"top_k":1,', b"1e999"]


def swap_brackets(body: bytes) -> bytes:
    return body.translate(bytes.maketrans(b"[]", b"]["))


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Draw a change of a body: a part deleted, replaced, moved, doubled, or its brackets swapped."""
    start, length, target = draw(st.tuples(st.floats(0, 1), st.integers(0, 4) | st.integers(0, 200), st.floats(0, 1)))
    token = draw(st.sampled_from(TOKENS) | st.binary(min_size=1, max_size=2))
    kind = draw(st.sampled_from(["delete", "replace", "insert", "double", "swap"]))

    def mutate(body: bytes) -> bytes:
        first, place = int(start * len(body)), int(target * len(body))
        before, part, after = body[:first], body[first : first + length], body[first + length :]
        if kind == "double":
            return body[:place] + part + body[place:]
        changed = {"delete": b"", "replace": token, "insert": token + part, "swap": swap_brackets(part)}[kind]
        return before + changed + after

    return mutate
