"""Lines that tell the use of each column, before a training and for `--dry-run`."""

from softmaxd_training.frames.frame import Frame
from softmaxd_training.frames.wording import many, quoted

WIDEST_NAME = 30  # characters of a name in a line


def plan_lines(frame: Frame) -> tuple[str, ...]:
    """Return the notes about the file, its size, and a line for each column: name, kind, and the reason."""
    names = [column.name if len(column.name) <= WIDEST_NAME else quoted(column.name) for column in frame.columns]
    width = max(map(len, names))
    lines = [
        f"{name:<{width}}  {column.kind:<9}  {column.line}" for name, column in zip(names, frame.columns, strict=True)
    ]
    used = len(frame.number_names) + len(frame.text_names)
    return (*frame.notes, f"{many(len(frame), 'row')}, {many(used, 'feature')}", *lines)
