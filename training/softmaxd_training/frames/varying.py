"""Leaves out the columns of a frame that do not vary in the rows that are learnt from."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from softmaxd_training.frames.frame import Classes, Frame, FrameColumn


def without_constant(frame: Frame, rows: Classes) -> Frame:
    """Return a frame of all rows without the columns that have one value, or none, in the rows at these places."""
    numbers, texts = frame.numbers[rows], frame.texts[rows]
    varying_numbers = ((numbers != numbers[0]) & ~(np.isnan(numbers) & np.isnan(numbers[0]))).any(axis=0)
    varying_texts = (texts != texts[0]).any(axis=0)
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


def _told(column: FrameColumn, left: Collection[str]) -> FrameColumn:
    if column.name in left or column.kind in {"dropped", "target"}:
        return column
    return replace(column, kind="dropped", line="has the same value in every row of the training part", categories=())
