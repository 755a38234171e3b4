"""Judges a column of texts: categories, or identifiers and free texts, from which nothing can be learnt."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from softmaxd.errors import Refused
from softmaxd_training.frames.frame import FrameColumn
from softmaxd_training.frames.identifiers import are_free_texts, are_identifiers
from softmaxd_training.frames.judged import Coded, Judged
from softmaxd_training.frames.missing import Cells, Mask
from softmaxd_training.frames.wording import listed, many, option, quoted, sentence

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
MARKED = r"^[+-]?(\d{1,3}([,.' ]\d{3})+([.,]\d+)?|\d+([.,]\d+)? ?%)$"  # with marks of thousands, or in percent
MOSTLY = 0.9  # of the values: if more are numbers, the others are mistakes


def coded(values: pa.ChunkedArray) -> Coded:
    """Return texts as codes of the different ones, which are in order."""
    found = pc.dictionary_encode(values).combine_chunks()
    different = found.dictionary.to_pylist()
    order = sorted(range(len(different)), key=different.__getitem__)
    ranks = np.empty(len(different) + 1, dtype=np.min_scalar_type(len(different)))
    ranks[order] = np.arange(len(different))
    ranks[-1] = len(different)
    codes = pc.fill_null(found.indices, len(different)).to_numpy(zero_copy_only=False)
    return Coded(ranks[codes], tuple(different[place] for place in order))


def judge_texts(cells: Cells, *, is_decided: bool) -> Judged:
    """Return the kind of a column of texts, and its texts; `is_decided` if the user wants categories."""
    found = coded(cells.values)
    different = len(found.different)
    if different == 1 and not cells.missing:
        return Judged.dropped(cells, f"has the same value in every row: {quoted(found.different[0])}")
    if not is_decided and are_identifiers(different, cells.present):
        return Judged.identifier(cells, "category")
    if not is_decided and are_free_texts(different, cells.present):
        count = f"{different:,} of {many(cells.present, 'text')} are different"
        return Judged.dropped(
            cells, f"looks like free text: {count}; {option('category', cells.name)} keeps it as a category"
        )
    line = sentence([f"{many(different, 'text')}: {listed(found.different)}", cells.told()])
    column = FrameColumn(cells.name, "category", line, cells.name, tuple(cells.missing), found.different)
    return Judged(column, texts=found)


def check_no_numbers(cells: Cells, decimal: str, *, is_decided: bool) -> None:
    """Raise `Refused` if most texts of a column are numbers, so that the others may be mistakes.

    `is_decided` if the user wants numbers: then each other text is a mistake.
    """
    encoded = pc.dictionary_encode(cells.values).combine_chunks()
    others = ~_are_numbers(encoded.dictionary, decimal)[pc.fill_null(encoded.indices, -1).to_numpy()]
    if not is_decided and np.count_nonzero(others) > (1 - MOSTLY) * cells.present:
        return
    value, place = cells.first(others)
    name = cells.name
    raise Refused(
        f"column {quoted(name)}: {np.count_nonzero(others):,} of {many(cells.present, 'value')} are not numbers, such"
        f" as {quoted(value)} ({place}): correct them; or {option('missing', value)} takes this text as missing;"
        f" or {option('category', name)} takes all as texts"
    )


def check_no_marked(cells: Cells) -> None:
    """Raise `Refused`, with the cure, if most texts of a column are numbers with marks of thousands or in percent."""
    found = np.asarray(pc.fill_null(pc.match_substring_regex(cells.values, MARKED), False))
    if np.count_nonzero(found) >= MOSTLY * cells.present:
        value, place = cells.first(found)
        raise Refused(
            f"column {quoted(cells.name)} has numbers such as {quoted(value)} ({place}): write them without marks of"
            f" thousands and percent signs; or {option('category', cells.name)} takes the texts"
        )


def _are_numbers(texts: pa.Array, decimal: str) -> Mask:
    """Return True for each text that is a number, and at the end for a missing one: [n] → [n + 1]."""
    marked = pc.replace_substring(texts, decimal, ".")
    found = pc.match_substring_regex(marked, NUMBER)
    if decimal != ".":
        found = pc.and_(found, pc.invert(pc.match_substring(texts, ".")))
    return np.append(np.asarray(found), True)
