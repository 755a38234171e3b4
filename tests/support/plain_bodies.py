"""Draws bodies for the readers of plain ones: plain, unusual and wrong ones, for Hypothesis."""

import math
from decimal import Context, Decimal
from itertools import pairwise
from typing import TypeVar

import numpy as np
import orjson
from hypothesis import strategies as st

from tests.support.mutations import mutations

T = TypeVar("T")

BLANKS = [b"", b"", b" ", b"\n\t\r "]
ODD_NUMBERS = [
    *(b"-0", b"-0.0", b"0", b"15", b"1E5", b"1e+5", b"-2.5E-3", b"0e999", b"1e-400", b"-1e-99999999999999999999"),
    *(b"9007199254740993", b"9223372036854775807", b"-9223372036854775808", b"18446744073709551615"),
    *(b"18446744073709551616", b"-9223372036854775809", b"36893488147419107329", b"3.4028235677973362e38"),
    *(b"3.4028235677973366e38", b"-1e39", b"1e400", b"1.7976931348623158e308", b"1" * 309, b"1" * 310, b"5e-324"),
    *(
        b"0." + b"123456789" * 30,
        b"1" * 40 + b".5e-20",
        b"1e-45",
        b"7e-46",
        b"16777217",
        b"1.00000005960464477539062501",
    ),
]
NO_NUMBERS = [
    *(b"NaN", b"Infinity", b"-Infinity", b"nan", b"true", b"false", b"null", b'"1"', b'""', b"[1]", b"[]", b"{}"),
    *(b"01", b"1.", b".5", b"+1", b"1e", b"-", b"0x1", b"1_0", b"1 1", b"", b"1,", b"'1'", b'"\\ud800"', b'{"a":1}'),
]
ODD_STARTS = [b"\xef\xbb\xbf", b"\x1e", b"\x00", b"\xc2\xa0", b"[", b"// x\n"]
ODD_ENDS = [b"\x00", b"\x0b", b"x", b"{}", b"]", b"}", b",", b" " * 1024]
HIDDEN = [  # values of a field that occurs again
    *(
        b"1",
        b"null",
        b"[]",
        b"NaN",
        b"1e400",
        b'"\\ud800"',
        b'"\\ud83d\\ude00"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\x01"',
    ),
    *(
        b'"\x01"',
        b"[[9,9]]",
        b"[9,9]",
        b"[" * 198 + b"]" * 198,
        b"[" * 210 + b"]" * 210,
        b"1" * 900,
        b'"\\"data\\":[9,9]"',
    ),
]

OUTPUTS = [b'[{"name":"logits","parameters":{"binary_data":true}}]', b"[]", b"null", b'[{"name":"typicality"}]']
OUTPUTS += [b'[{"name":"probabilities","parameters":{"classification":1}}]', b'[{"name":"x"}]']
FIELDS_OF_TENSORS = [
    *(b'"parameters":{}', b'"parameters":null', b'"parameters":{"binary_data_size":8}', b'"x":{"data":[9,9]}'),
    *(b'"data":[9,9]', b'"shape":[1,9]', b'"x":' + b"[" * 210 + b"]" * 210, b'"x":NaN', b'"x":"\\"data\\":["'),
]
FIELDS_OF_REQUESTS = [b'"id":"a"', b'"id":null', b'"parameters":{"binary_data_output":true}', b'"x":[1]', b'"x":"data"']


def mostly(usual: T, *odd: T) -> st.SearchStrategy[T]:
    """Draw one in ten times something odd."""
    return st.sampled_from([usual] * 9 * len(odd) + list(odd))


@st.composite
def halfway(draw: st.DrawFn) -> bytes:
    """Draw the digits of a number between two neighbours of a type, or just beyond it."""
    kind = draw(st.sampled_from(["float32", "float64"]))
    low = np.array(draw(st.floats(2**-20, 2**60, width=32)), dtype=kind)
    high = np.nextafter(low, np.array(math.inf, dtype=kind))
    exact = Context(prec=500)
    middle = exact.divide(exact.add(Decimal(float(low)), Decimal(float(high))), Decimal(2))
    digits = f"{middle:f}".encode()
    return draw(st.sampled_from([b"", b"-"])) + digits + draw(st.sampled_from([b"", b"", b"0001", b"e-3"]))


plain_numbers = (
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(orjson.dumps)
    | st.integers(-(2**53), 2**53).map(orjson.dumps)
    | st.decimals(-1000, 1000, places=4).map(lambda number: f"{number:f}".encode())
)
odd_numbers = (
    st.floats(allow_nan=False, allow_infinity=False).map(orjson.dumps)
    | st.integers(-(2**70), 2**70).map(lambda number: b"%d" % number)
    | st.builds(lambda power, off: b"%d" % (2**power + off), st.integers(52, 130), st.integers(-3, 3))
    | st.sampled_from(ODD_NUMBERS)
    | halfway()
)


@st.composite
def lists(draw: st.DrawFn, size: int, *, numbers: st.SearchStrategy[bytes] = plain_numbers) -> bytes:
    """Draw a list of JSON, with blanks."""
    comma, inside = draw(st.sampled_from([b",", b", ", b" ,\n"])), draw(st.sampled_from(BLANKS))
    items = draw(st.lists(numbers, min_size=size, max_size=size))
    return b"[%b%b%b]" % (inside, comma.join(items), inside)


@st.composite
def odd_lists(draw: st.DrawFn, size: int) -> bytes:
    """Draw a list of JSON, mostly of this size; one in ten has something that is no number."""
    numbers = plain_numbers | odd_numbers
    return draw(
        lists(draw(mostly(size, 0, size + 1)), numbers=draw(mostly(numbers, numbers | st.sampled_from(NO_NUMBERS))))
    )


@st.composite
def in_field(draw: st.DrawFn, name: bytes, value: bytes) -> bytes:
    """Draw an object with this field, sometimes twice, and sometimes with other fields or an escaped name."""
    blank = draw(st.sampled_from(BLANKS))
    odd = [b"\\u%04x%b" % (name[0], name[1:]), name[:-1], name.upper()]
    fields = [b'"%b":%b%b' % (draw(mostly(name, *odd)), blank, value)]
    if draw(mostly(False, True)):
        others = [b'"top_k":1', b'"include":[]', b'"include":["logits"]', b'"temperature":2', b'"targets":0', b'"x":1']
        others += [b'"%b":%b' % (name, hidden) for hidden in HIDDEN]
        fields.insert(draw(st.integers(0, 1)), draw(st.sampled_from(others)))
    return b"%b{%b%b%b}%b" % (blank, blank, b",".join(fields), blank, blank)


@st.composite
def infers(draw: st.DrawFn, data: bytes | None, rows: int, shape: tuple[int, ...], datatype: str) -> bytes:
    """Draw the JSON of a request of `/v2`, mostly with this shape and datatype; without data its tensor is bytes."""
    sizes = draw(mostly((rows, *shape), (rows + 1, *shape), (0, *shape), shape, (1.0, *shape)))
    fields = [
        b'"name":"%b"' % draw(mostly(b"features", b"x")),
        b'"shape":%b' % orjson.dumps(sizes),
        b'"datatype":"%b"' % draw(mostly(datatype, "FP16", "INT8")).encode(),
    ]
    if data is None:
        size = math.prod(shape) * rows * np.dtype(datatype.lower().replace("fp", "float")).itemsize
        fields.append(b'"parameters":{"binary_data_size":%d}' % draw(mostly(size, size + 1, size - 4)))
    else:
        form = draw(st.sampled_from([b"%b", b"[ %b]"]) | mostly(b"%b", b"[[%b]]", b"[%b,[1,2]]", b"{}%b"))
        fields.insert(draw(mostly(3, 0)), b'"data":%b%b' % (draw(st.sampled_from(BLANKS)), form % data))
    if draw(mostly(False, True)):
        fields.insert(draw(st.integers(0, 4)), draw(st.sampled_from(FIELDS_OF_TENSORS)))
    whole = [b'"inputs":[{%b}]' % b",".join(fields)]
    if draw(st.booleans()):
        whole.insert(draw(st.integers(0, 1)), b'"outputs":' + draw(mostly(b'[{"name":"probabilities"}]', *OUTPUTS)))
    if draw(mostly(False, True)):
        whole.insert(draw(st.integers(0, 1)), draw(st.sampled_from(FIELDS_OF_REQUESTS)))
    return b"{%b}" % b", ".join(whole)


@st.composite
def changed(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    """Draw a body; some begin or end with bytes that are not JSON, and others have mutations."""
    body = draw(bodies)
    match draw(st.integers(0, 9)):
        case 0:
            return draw(st.sampled_from(ODD_STARTS)) + body
        case 1:
            return body + draw(st.sampled_from(ODD_ENDS))
        case 2 | 3:
            for mutate in draw(st.lists(mutations(), min_size=1, max_size=2)):
                body = mutate(body)
    return body


@st.composite
def alike(draw: st.DrawFn, form: bytes, size: int) -> list[bytes]:
    """Draw bodies of one form, which has @ in the place of its numbers; often they do not end where the form ends."""
    numbers = st.lists(draw(mostly(plain_numbers, plain_numbers | odd_numbers)), min_size=size, max_size=size)
    bodies = [form.replace(b"@", b",".join(each)) for each in draw(st.lists(numbers, min_size=2, max_size=6))]
    glue = draw(st.sampled_from([b"\n", b"\n", b"", b","]))
    text = glue.join(bodies)
    places = [place for place, byte in enumerate(text) if byte in b"\n,[]{}" or not glue]
    cuts = sorted(draw(st.lists(st.sampled_from(places), min_size=len(bodies) - 1, max_size=len(bodies) - 1)))
    pieces = [text[start:stop] for start, stop in pairwise([0, *cuts, len(text)])]
    moved = pieces[:1] + [piece[len(glue) :] if piece.startswith(glue) else piece for piece in pieces[1:]]
    before, _, after = form.partition(b"@")
    cut = [before + bodies[1][len(before) : -len(after)] + b",", bodies[0][len(before) :]]
    return draw(st.sampled_from([bodies, moved, [bodies[0], *moved], [*bodies, *cut]]))
