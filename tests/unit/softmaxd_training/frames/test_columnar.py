import io
import re

import pyarrow as pa
import pytest
from pyarrow import feather, ipc, parquet

from softmaxd.errors import Refused
from softmaxd_training.frames.columnar import read_columnar
from softmaxd_training.frames.rawtable import RawTable


def written(table: pa.Table) -> io.BytesIO:
    target = io.BytesIO()
    parquet.write_table(table, target)
    target.seek(0)
    return target


def read(columns: dict[str, pa.Array]) -> RawTable:
    return read_columnar(written(pa.table(columns)), "parquet", "sha")


def test_columns_keep_the_types_of_the_file() -> None:
    found = read(
        {
            "whole": pa.array([1, None], pa.int64()),
            "flag": pa.array([True, False]),
            "text": pa.array([" a ", None]),
            "day": pa.array([0, 1], pa.date32()),
            "kind": pa.array(["a", "b"]).dictionary_encode(),
        }
    )

    assert {name: (str(column.type), column.to_pylist()[0]) for name, column in found.columns.items()} == {
        "whole": ("int64", 1),
        "flag": ("bool", True),
        "text": ("string", " a "),
        "day": ("date32[day]", found.columns["day"][0].as_py()),
        "kind": ("dictionary<values=string, indices=int32, ordered=0>", "a"),
    }
    assert (found.is_text, found.place(1), found.notes) == (False, "row 2", ())


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (pa.array(["a"], pa.large_string()), "string"),
        (pa.array(["a"], pa.string_view()), "string"),
        (pa.array([b"a"], pa.binary()), "string"),
        (pa.array([b"a"], pa.binary(1)), "string"),
        (pa.array(["a"], pa.large_string()).dictionary_encode(), "string"),
        (pa.array([1], pa.int16()).dictionary_encode(), "int16"),
        (pa.array([1.5], pa.float16()), "float"),
    ],
)
def test_texts_have_one_type_and_numbers_can_be_computed_with(array: pa.Array, kind: str) -> None:
    found = read_columnar(arrow({"x": array}), "arrow", "")

    assert str(found.columns["x"].type) == kind


def arrow(columns: dict[str, pa.Array]) -> io.BytesIO:
    table = pa.table(columns)
    target = io.BytesIO()
    with ipc.new_file(target, table.schema) as writer:
        writer.write_table(table)
    target.seek(0)
    return target


def test_feather_and_streams_of_arrow_are_read() -> None:
    table = pa.table({"x": [1, 2]})
    packed, stream = io.BytesIO(), io.BytesIO()
    feather.write_feather(table, packed, compression="zstd")
    with ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)

    for content, kind in ((packed, "arrow"), (stream, "arrow stream")):
        content.seek(0)
        assert read_columnar(content, kind, "").columns["x"].to_pylist() == [1, 2]  # type: ignore[arg-type]  # a literal


def test_an_index_of_pandas_is_left_out_and_told() -> None:
    found = read({"x": pa.array([1]), "__index_level_0__": pa.array([7])})

    assert list(found.columns) == ["x"]
    assert found.notes == ("left out: __index_level_0__, an index of pandas",)


def broken_text() -> pa.Array:
    texts = pa.array([b"clerk", None, b"\xff"])
    return pa.Array.from_buffers(pa.string(), 3, texts.buffers())


def test_all_columns_that_cannot_be_used_are_told() -> None:
    columns = {
        "tags": pa.array([["a"], [], []]),
        "place": pa.array([{"x": 1}] * 3),
        "id": pa.array([bytes(16)] * 3, pa.uuid()),
        "job": broken_text(),
        "code": pa.array([b"\xff", b"", b""]),
        "kind": pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), broken_text()),
        "day": pa.array([0, 2**30, 1], pa.int32()).cast(pa.date32()),
        "noon": pa.array([0, 1, 2], pa.timestamp("s", "Nowhere/Land")),
        "age": pa.array([0, 1, 2], pa.duration("s")),
        "x": pa.array([1, 2, 3]),
    }

    with pytest.raises(Refused) as refused:
        read_columnar(arrow(columns), "arrow", "")

    assert str(refused.value).splitlines() == [
        "column 'tags' is list<item: string>: save it as numbers or as text",
        "column 'place' is struct<x: int64>: save it as numbers or as text",
        "column 'id' is extension<arrow.uuid>: save it as numbers or as text",
        "column 'job', row 3, is not UTF-8: write it as UTF-8",
        "column 'code', row 1, is not UTF-8: write it as UTF-8",
        "column 'kind' has a text that is not UTF-8: write it as UTF-8",
        "column 'day' has times beyond the years 1 to 9999, or of an unknown zone: correct them",
        "column 'noon' has times beyond the years 1 to 9999, or of an unknown zone: correct them",
        "column 'age' is duration[s]: save it as numbers or as text",
    ]


def test_names_are_checked() -> None:
    table = pa.table([pa.array([1]), pa.array([2])], names=["x", "x"])

    with pytest.raises(Refused, match=r"^columns 1 and 2 are both called 'x': rename one$"):
        read_columnar(written(table), "parquet", "")


@pytest.mark.parametrize("kept", [8, 100, -1])
def test_a_broken_file_is_refused(kept: int) -> None:
    content = written(pa.table({"x": list(range(100))})).getvalue()[:kept]

    with pytest.raises(Refused, match=f"^{re.escape('this Parquet file is broken: write it again (')}"):
        read_columnar(io.BytesIO(content), "parquet", "")


def test_a_broken_column_is_refused() -> None:
    codes = pa.DictionaryArray.from_arrays(pa.array([0, 7]), pa.array(["a", "b"]), safe=False)

    with pytest.raises(Refused, match=r"^column 'x' is broken: write the file again \(.*out of bounds"):
        read_columnar(arrow({"x": codes}), "arrow", "")


def test_a_name_that_is_not_utf8_is_refused() -> None:
    content = arrow({"name": pa.array([1])}).getvalue().replace(b"name", b"\xffame")

    with pytest.raises(Refused, match=r"^the name of a column is not UTF-8: write the file again$"):
        read_columnar(io.BytesIO(content), "arrow", "")


def test_a_view_of_texts_beyond_its_memory_is_refused() -> None:
    views = pa.array(["longer than twelve bytes"], pa.string_view())
    content = arrow({"x": views}).getvalue()
    place = content.index(b"\x18\0\0\0long")  # the length of the text, its start, and then where the rest is

    with pytest.raises(Refused, match=r"^column 'x' is broken: write the file again \(View at slot 0 references"):
        read_columnar(io.BytesIO(content[: place + 8] + b"\x09" + content[place + 9 :]), "arrow", "")
