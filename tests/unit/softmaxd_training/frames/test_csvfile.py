import io
import re
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmaxd.errors import Refused
from softmaxd_training.frames import csvfile
from softmaxd_training.frames.csvfile import BLOCK, read_csv
from softmaxd_training.frames.options import ReadOptions
from softmaxd_training.frames.rawtable import RawTable

LINE_END = re.compile(r"\r\n|\r|\n")


def table(content: bytes, options: ReadOptions = ReadOptions()) -> RawTable:  # noqa: B008 - it is frozen
    return read_csv(io.BytesIO(content), options, "sha")


def refusal(content: bytes, options: ReadOptions = ReadOptions()) -> list[str]:  # noqa: B008 - it is frozen
    with pytest.raises(Refused) as refused:
        table(content, options)
    return str(refused.value).splitlines()


def columns(found: RawTable) -> dict[str, list[str]]:
    return {name: column.to_pylist() for name, column in found.columns.items()}


def test_cells_are_text_as_written_without_blanks_around_them() -> None:
    found = table('x,name\n 007 ,"a ""b"", c"\n1e3,\u00a0é\n'.encode())

    assert columns(found) == {"x": ["007", "1e3"], "name": ['a "b", c', "é"]}
    assert (found.is_text, found.decimal, found.sha256) == (True, ".", "sha")
    assert found.notes == ("separator: comma",)


def test_rows_keep_their_lines_behind_quoted_newlines_and_empty_rows() -> None:
    found = table(b'\n\nx,y\r\n1,"a\nb"\n\n 2 ,b\n,\n   \n3,c')

    assert columns(found) == {"x": ["1", "2", "3"], "y": ["a\nb", "b", "c"]}
    assert [found.place(row) for row in range(3)] == ["line 4", "line 7", "line 10"]


def test_decimal_commas_are_found_and_told() -> None:
    found = table(b"x;y\n1,5;a\n2,25;b\n")

    assert (columns(found)["x"], found.decimal) == (["1,5", "2,25"], ",")
    assert found.notes == ("separator: semicolon", "numbers have decimal commas")


@pytest.mark.parametrize(
    ("content", "options", "notes"),
    [
        ("x\ty\n1\té\n".encode("utf-16"), ReadOptions(), ("separator: tab", "encoding: UTF-16-LE")),
        (
            "x|y\n1|é\n".encode("cp1252"),
            ReadOptions(encoding="cp1252"),
            ("separator: vertical bar", "encoding: CP1252"),
        ),
        ("x:y\n1:é\n".encode(), ReadOptions(separator=":"), ("separator: ':'",)),
    ],
)
def test_separator_and_encoding_are_found_or_given(
    content: bytes, options: ReadOptions, notes: tuple[str, ...]
) -> None:
    found = table(content, options)

    assert columns(found) == {"x": ["1"], "y": ["é"]}
    assert found.notes == notes


def test_a_file_without_names_has_numbered_columns() -> None:
    found = table(b"1,a\n2,b\n", ReadOptions(header=False))

    assert columns(found) == {"column1": ["1", "2"], "column2": ["a", "b"]}
    assert found.notes == ("separator: comma", "no names in the file: its columns are called column1 to column2")
    assert found.place(0) == "line 1"


def test_names_may_look_like_values_if_the_user_says_so() -> None:
    assert columns(table(b"2019,2020\n1,2\n", ReadOptions(header=True))) == {"2019": ["1"], "2020": ["2"]}


def test_many_blocks_are_one_table() -> None:
    rows = [f'{number},"{"x" * 90}\n"\n' for number in range(3 * BLOCK // 100)]

    found = table(("n,text\n" + "".join(rows)).encode())

    assert columns(found)["n"] == [str(number) for number in range(len(rows))]
    assert set(columns(found)["text"]) == {"x" * 90}
    assert found.place(len(rows) - 1) == f"line {2 * len(rows)}"


class Counted(io.BytesIO):
    """Counts the reads; those behind its start take a moment, as of a packed file."""

    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        if self.tell() > 2**13:
            Event().wait(0.01)
        return super().read(size)


def test_nobody_reads_on_after_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyarrow reads ahead in a thread: if that still reads when Python exits, the process ends by a signal."""

    def interrupt(_reader: object, _columns: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(csvfile, "SAMPLE", 2**12)
    monkeypatch.setattr(csvfile, "BLOCK", 2**12)
    monkeypatch.setattr(csvfile._Reader, "_block", interrupt)
    source = Counted(b"x,y\n" + b"1,2\n" * 100_000)

    with pytest.raises(KeyboardInterrupt):
        read_csv(source, ReadOptions(), "")

    reads = source.reads
    Event().wait(0.1)
    assert source.reads == reads


def test_a_line_may_be_longer_than_a_block() -> None:
    names = [f"{number}".rjust(190, "x") for number in range(BLOCK // 180)]

    found = table("\n".join([",".join(names), *[",".join(["0.5"] * len(names))] * 3]).encode())

    assert list(found.columns) == names
    assert found.columns[names[-1]].to_pylist() == ["0.5"] * 3


def test_a_table_may_have_names_alone() -> None:
    assert columns(table(b"x,y\n")) == {"x": [], "y": []}


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (
            b'x,y\n1,2\n3,4,5\n6\n"7\n8"\n9,10\n',
            [
                "line 3 has 3 values, but the first row has 2: put a value that has a comma in it into quotes",
                "line 4 has 1 value, but the first row has 2: add the missing ones",
                "line 5 has 1 value, but the first row has 2: add the missing ones; it ends on line 6, as a quote does",
            ],
        ),
        (b"x,y\n1,2,3\n4,5,6\n", ["the first row has 2 values, but all 2 others have 3: give every column a name"]),
        (b'x,y\n1,2\n3,"4\n5,6\n', ["line 3 opens a quote that is never closed: close it"]),
        (b'x,y\n1,2\n3,"4', ["line 3 opens a quote that is never closed: close it"]),
        (b'x,y\n1,2\n3,"4\n""\n', ["line 3 opens a quote that is never closed: close it"]),
        (b'x,y\n1,2\n"3,4\n5,6\n', ["line 3 opens a quote that is never closed: close it"]),
        (
            b'x,y\n1,2,3\n"3,4\n5,6\n',
            [
                "line 2 has 3 values, but the first row has 2: put a value that has a comma in it into quotes",
                "line 3 opens a quote that is never closed: close it",
            ],
        ),
        (
            b'x,y\n1,2\n3,"4\n' + b"5,6\n" * BLOCK,
            ["line 3: this row does not end within 1 MiB: close its quote"],
        ),
        (b'"x,y\n1,2\n', ["its first row does not end, or it has no row: close the quote in its first line"]),
        (b"\n\n", ["its first row does not end, or it has no row: close the quote in its first line"]),
        (
            b"x y\n1 2\n",
            [
                "it has only one column, 'x y': name its separator, such as --separator ';', and remove lines above"
                " the names"
            ],
        ),
        (
            b"1,2,a\n3,4,b\n",
            [
                "the first row looks like values, not like names ('1', '2', 'a'): add --no-header if the file has no"
                " names, or --header if these are the names"
            ],
        ),
        (
            b"x,x,\n1,2,3\n",
            ["columns 1 and 2 are both called 'x': rename one", "column 3 has no name: write one into the first row"],
        ),
    ],
)
def test_wrong_files_are_refused_by_line(content: bytes, lines: list[str]) -> None:
    assert refusal(content) == lines


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n"])
def test_a_quote_may_close_behind_a_newline_at_the_end(end: bytes) -> None:
    assert columns(table(b'x,y\n1,"2\n"' + end)) == {"x": ["1"], "y": ["2"]}


def test_of_many_ragged_rows_the_first_are_told() -> None:
    lines = refusal(b"x,y\n1,2\n" + b"   \n3\n" * 30)

    assert lines[0] == "line 4 has 1 value, but the first row has 2: add the missing ones"
    assert lines[-2:] == ["line 42 has 1 value, but the first row has 2: add the missing ones", "and 10 more"]


CELLS = st.text('ab1.,;\t|"\n\r é\u00a0', max_size=6)


@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=12),
    gaps=st.lists(st.integers(0, 2), min_size=13, max_size=13),
    separator=st.sampled_from([None, ",", ";", "\t", "|"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_rows_are_read_as_they_were_written(
    rows: list[tuple[str, str, str]], gaps: list[int], separator: str | None, end: str, encoding: str
) -> None:
    text, expected = end * gaps[0], []
    for row, gap in zip([("one", "two", "three"), *rows], gaps, strict=False):
        if any(cell.strip() for cell in row):
            expected.append((f"line {1 + len(LINE_END.findall(text))}", *(cell.strip() for cell in row)))
        text += (separator or ",").join('"' + cell.replace('"', '""') + '"' for cell in row) + end * (1 + gap)

    found = table(text.encode(encoding), ReadOptions(separator=separator, header=True))

    places = [found.place(row) for row in range(len(found))]
    assert list(zip(places, *columns(found).values(), strict=True)) == expected[1:]
