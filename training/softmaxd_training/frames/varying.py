"""Leaves out the columns of a frame that do not vary in the rows that are learnt from."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from softmaxd_training.frames.frame import Classes, Frame, FrameColumn, Numbers, Texts


def without_constant(frame: Frame, rows: Classes) -> Frame:
    """Return a frame of all rows without the columns that have one value, or none, in the rows at these places."""
    varying_numbers = np.array([_varies(column[rows]) for column in frame.numbers.T], dtype=bool)
    varying_texts = np.array([_varies(column[rows]) for column in frame.texts.T], dtype=bool)
    if varying_numbers.all() and varying_texts.all():
        return frame
    number_names = tuple(np.array(frame.number_names, dtype=object)[varying_numbers])
    text_names = tuple(np.array(frame.text_names, dtype=object)[varying_texts])
    return replace(
        frame,
        numbers=frame.numbers[:, varying_numbers],
        texts=frame.texts[:, varying_texts],
        number_names=number_names,
        text_names=text_names,
        columns=tuple(_told(column, {*number_names, *text_names}) for column in frame.columns),
    )


def _varies(column: Numbers | Texts) -> bool:
    """Return True if two values [n] differ, or if some of them are missing."""
    is_missing = column == "" if column.dtype == object else np.isnan(column)
    return bool((~is_missing if is_missing[0] else column != column[0]).any())


def _told(column: FrameColumn, left: Collection[str]) -> FrameColumn:
    if column.name in left or column.kind in {"dropped", "target"}:
        return column
    return replace(column, kind="dropped", line="has the same value in every row of the training part", categories=())
