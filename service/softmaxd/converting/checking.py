"""Compares the probabilities that are served with those of the library that the file is from."""

import numpy as np

from softmaxd.adding.add import Prepared
from softmaxd.adding.features import row_text
from softmaxd.adding.heads import are_probabilities
from softmaxd.adding.running import TOLERANCE
from softmaxd.converting.apart import Apart
from softmaxd.converting.original import Values
from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.manifest import LOGITS, PROBABILITIES
from softmaxd.numerics.softmax import Softmax

OTHER_WORDS = (
    ". ONNX may split texts at other places: give its vectorizer token_pattern=r'\\S+', without stop_words and with "
    "analyzer='word'"
)
MORE_DIGITS = ". Its numbers need more digits than float32 has"


def check(prepared: Prepared, original: Apart, tried: Values, *, fewest: int = 0, whose: str = "") -> str:
    """Return a note on the largest difference of a probability, in rows that were tried.

    A probability may differ by `TOLERANCE`, or by half of that times the largest logit of its row, if that is more.
    float32 sums that are added in another order differ by a share of their size. A logit z that is off by a share of
    e changes a probability by at most e|z|/2: in the softmax's derivative a row's sizes sum to 2p(1 - p), at most 1/2.
    Logits that are made of probabilities say nothing of sums, so for them it is `TOLERANCE` alone. The library gets all
    digits of a number, the served model those of its datatype. Raises `Refused`, also if the library takes fewer rows
    than `fewest`.
    """
    heads, source = prepared.findings.heads, prepared.findings.source
    taken, values = _run(prepared, original, tried)
    rows = tried[taken]
    if len(rows) < fewest:
        raise Refused(
            f"{original.library} takes {len(rows)} of the {len(tried)} rows that were tried, and a check needs {fewest}"
        )
    outputs = Engine(prepared.content, device="cpu").run_inputs(source.served(_as_served(prepared, rows)))
    served = outputs[PROBABILITIES]
    if values.shape != served.shape:
        raise Refused(f"{original.library} gives an output of the shape {values.shape}, not one for each class")
    has_them = heads.probabilities or are_probabilities(values)  # predict_proba has, also for the logits of a graph
    expected = values if has_them else Softmax(values.astype(np.float64)).probabilities
    sizes = np.abs(outputs[LOGITS]).max(axis=1) if heads.logits else np.zeros(len(rows))
    differences, tolerances = _differences(served, expected), TOLERANCE * np.maximum(1.0, sizes / 2)
    worst = int((differences / tolerances).argmax())
    if differences[worst] > tolerances[worst]:
        raise Refused(
            f"the ONNX file that {original.converter} makes of it differs from {original.library} by "
            f"{differences[worst]:.1e} in a probability, more than the tolerance of {tolerances[worst]:.1e}, "
            f"for the row {row_text(rows[worst].tolist(), prepared.manifest.features)}; "
            f"it does in {np.count_nonzero(differences > tolerances)} of the {len(rows)} rows that were tried"
            f"{_reason(prepared, original, rows[[worst]])}"
        )
    return (
        f"checked: {len(rows)} rows{whose} against {original.library}; a probability differs by "
        f"{differences.max():.1e} at most, with a tolerance of {TOLERANCE:.0e}"
    )


def first_taken(prepared: Prepared, original: Apart, count: int) -> Values:
    """Return the first rows, so many, of those that were tried that the library takes. Raises `Refused`."""
    taken, _ = _run(prepared, original, prepared.findings.rows)
    return np.asarray(prepared.findings.rows[taken[:count]])


def answers_alike(prepared: Prepared, original: Apart, taken: Values, others: Values) -> bool:
    """Return whether the library takes some of the other rows, and has the same answers for these as are served.

    It gets rows that it has `taken` besides, because it ends where it takes none.
    """
    rows = np.concatenate([taken, others])
    if _run(prepared, original, rows)[0][-1] < len(taken):
        return False
    try:
        check(prepared, original, rows)
    except Refused:
        return False
    return True


def _reason(prepared: Prepared, original: Apart, row: Values) -> str:
    """Return why a row may differ: because of digits, if the library itself answers otherwise without them."""
    if row.dtype != prepared.findings.rows.dtype:
        rows = np.concatenate([row, _as_served(prepared, row).astype(row.dtype)])
        taken, values = _run(prepared, original, rows)
        if taken != [0, 1] or np.abs(values[1] - values[0]).max() > TOLERANCE:
            return MORE_DIGITS
    features = prepared.manifest.features
    return OTHER_WORDS if any(each.datatype == "BYTES" and not each.categories for each in features) else ""


def _as_served(prepared: Prepared, rows: Values) -> Values:
    """Return rows with numbers of the types that the served model takes."""
    with np.errstate(over="ignore"):
        return rows.astype(prepared.findings.rows.dtype)


def _run(prepared: Prepared, original: Apart, rows: Values) -> tuple[list[int], Values]:
    heads = prepared.findings.heads
    return original.run(prepared.findings.source.fed(rows), heads.probabilities or str(heads.logits))


def _differences(served: Values, expected: Values) -> Values:
    """Return the largest difference in each row; where both are not finite it is 0, where one is, infinite."""
    finite = np.isfinite(served).all(axis=1), np.isfinite(expected).all(axis=1)
    with np.errstate(invalid="ignore"):
        largest = np.abs(served - expected.astype(np.float64)).max(axis=1)
    both = finite[0] & finite[1]
    return np.where(both, largest, np.where(finite[0] == finite[1], 0.0, np.inf))
