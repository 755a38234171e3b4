"""Tables as the files of people have them, for the tests of the columns, and drawn ones."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
from hypothesis import strategies as st

from softmaxd_training.frames.decisions import ColumnOptions
from softmaxd_training.frames.missing import Cells, cells_of
from softmaxd_training.frames.rawtable import Places, RawTable


def csv_table(
    named: Mapping[str, Sequence[str]] | None = None, *, decimal: str = ".", **columns: Sequence[str]
) -> RawTable:
    """Return a table as a CSV with a header has it; `named` are columns whose names are no names of Python."""
    cells = {**(named or {}), **columns}
    texts = {name: pa.chunked_array([column], pa.string()) for name, column in cells.items()}
    return RawTable(texts, is_text=True, decimal=decimal, notes=(), sha256="0" * 64, places=Places("line", 2))


def typed_table(**columns: pa.Array) -> RawTable:
    """Return a table as a file with types has it."""
    chunked = {name: pa.chunked_array([column]) for name, column in columns.items()}
    return RawTable(chunked, is_text=False, decimal=".", notes=(), sha256="0" * 64)


def csv_cells(*texts: str, missing: Sequence[str] = ()) -> Cells:
    """Return the cells of the column `x` of a CSV."""
    return cells_of("x", pa.chunked_array([texts], pa.string()), Places("line", 2).of, missing)


def typed_cells(column: pa.Array, missing: Sequence[str] = ()) -> Cells:
    """Return the cells of a column `x` with a type."""
    return cells_of("x", pa.chunked_array([column]), Places("row", 1).of, missing)


ODD = (
    "",
    "NA",
    "?",
    "-nan",
    "inf",
    "1e400",
    "0x10",
    "1_0",
    "1,5",
    "1.234,5",
    "+1",
    "-0",
    "007",
    "1e-400",
    "a:b",
    "x\0",
)
KINDS = (  # of cells of a CSV
    st.integers(-5, 5).map(str),
    st.integers(-(10**25), 10**25).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(width=16, allow_nan=False, allow_infinity=False).map(repr),
    st.dates().map(str),
    st.datetimes().map(lambda moment: moment.strftime("%d/%m/%Y %H:%M")),
    st.sampled_from(["true", "false", "clerk", "nurse"]),
    st.sampled_from(ODD),
    st.text(max_size=5).map(str.strip),
)


@st.composite
def csv_tables(draw: st.DrawFn) -> RawTable:
    """Draw a CSV with the target `y`. Each column has a few different cells, of one kind or of two."""
    rows = draw(st.integers(20, 40))
    columns = {}
    for place in range(draw(st.integers(1, 4))):
        kind = st.one_of(draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=2)))
        cells = draw(st.lists(kind, min_size=1, max_size=6))
        columns[f"x{place}"] = draw(st.lists(st.sampled_from(cells), min_size=rows, max_size=rows))
    labels = draw(st.lists(st.sampled_from("ab"), min_size=rows, max_size=rows))
    return csv_table(columns, y=labels, decimal=draw(st.sampled_from(".,")))


@st.composite
def options_of(draw: st.DrawFn, table: RawTable) -> ColumnOptions:
    """Draw decisions of a user who knows the names of the columns."""
    kinds = ("category", "number", "date", "")
    drawn = {name: draw(st.sampled_from(kinds)) for name in table.columns if name != "y"}
    chosen = {kind: tuple(name for name, other in drawn.items() if other == kind) for kind in kinds}
    return ColumnOptions(
        "y",
        missing=draw(st.sampled_from([(), ("-1", "clerk")])),
        category=chosen["category"],
        number=chosen["number"],
        date=chosen["date"],
        min_rows=draw(st.sampled_from([2, 10])),
        merge_rare=draw(st.sampled_from([None, "b"])),
    )
