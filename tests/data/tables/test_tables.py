"""One reader for every table a user hands over, however it was saved and whatever it holds."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.quirks import picture
from vlsu.data.tables import (
    Blank,
    Broken,
    MissingWords,
    Record,
    Table,
    escape_formula,
    listing,
    read_rows,
    split_names,
    unescape_formula,
)
from vlsu.data.tables.dialect import DELIMITERS, Dialect
from vlsu.data.tables.keys import Keys
from vlsu.data.tables.lines import MAX_RECORD, Lines
from vlsu.data.tables.records import read_records
from vlsu.errors import DataError, UsageError


def written(folder: Path, content: str | bytes, name: str = "table.csv") -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def fields(table: Table) -> list[list[str]]:
    return [each.fields for each in table.records() if isinstance(each, Record)]


# --- However it was saved


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("first", ["", "sep={}\n", '"sep={}"\n', "\n \n"])
def test_a_table_is_read_however_it_was_saved(
    tmp_path: Path, encoding: str, delimiter: str, end: str, first: str
) -> None:
    rows = [["response", "label"], ["Nein, danke; “gut” | so", "refusal"], ["a\nb", "empty"]]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    whole = first.format(delimiter) + text.getvalue()
    file = written(tmp_path, whole.replace("\n", end).encode(encoding))
    read = [row.cells for row in read_rows(file, ("response", "label"))]
    assert [cells["response"].replace(end, "\n") for cells in read] == [r[0] for r in rows[1:]]
    assert [cells["label"] for cells in read] == [r[1] for r in rows[1:]]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("Prompt (image, text);label\nA bridge;safe\nA river;safe\n", ";"),
        ("text\nHello, you\nBye, all\n", ";"),  # one column: what separates nothing
        ("text\n", ","),
        ("id,text\n1,a;b\n2,c;d\n", ","),
        ("id|text\n1|a, b\n", "|"),
        ("sep=|\nid|text\n", "|"),
        ("sep=:\nid:text\n1:a\n", ":"),
        ("sep=;\nid,text\n1,a\n", ","),  # what it states separates nothing
    ],
)
def test_the_delimiter_is_the_one_under_which_the_rows_make_sense(
    tmp_path: Path, text: str, delimiter: str
) -> None:
    table = Table(written(tmp_path, text), {"text", "id"})
    assert table.delimiter == delimiter
    assert not [each for each in table.records() if isinstance(each, Broken)]


def test_a_header_may_go_over_several_lines(tmp_path: Path) -> None:
    # As forms on the web export their questions.
    text = '"What is\nshown, and how\nbad?",label\n"a\nb",safe\n\nc,unsafe\n'
    table = Table(written(tmp_path, text), {"label"})
    assert table.header == ["What is\nshown, and how\nbad?", "label"]
    records = list(table.records())
    assert records == [
        Record(4, 2, ["a\nb", "safe"], nulls=False),
        Blank(6, 3),
        Record(7, 4, ["c", "unsafe"], nulls=False),
    ]


def test_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    file = written(tmp_path, 'sep=,\n,,\nlabel,text,\na,"1\n2\n3",\nb\n,,\nc,x,,,\n')
    assert [(row.number, row.cells["label"]) for row in read_rows(file, ("label",))] == [
        (3, "a"),
        (4, "b"),  # spreadsheets leave out empty cells at the end of a row
        (6, "c"),
    ]


def test_a_cell_too_many_is_named_with_its_row(tmp_path: Path) -> None:
    file = written(tmp_path, "label,text\na,b\na,b,c\n")
    with pytest.raises(DataError, match=r"table.csv: row 3: too many fields: 3 fields where the"):
        list(read_rows(file, ("label",)))


def test_one_file_behind_another_keeps_neither_mark_nor_header(tmp_path: Path) -> None:
    one = "id,text\n1,a\n".encode("utf-8-sig")
    assert [type(r) for r in Table(written(tmp_path, one + one)).records()] == [
        Record,
        Broken,
        Record,
    ]


@pytest.mark.parametrize("encoding", ["cp1252", "shift_jis", "cp1251", "utf-16"])
def test_an_encoding_is_stated_never_guessed(tmp_path: Path, encoding: str) -> None:
    word = {"shift_jis": "こんにちは", "cp1251": "привет"}.get(encoding, "café")
    file = written(tmp_path, f"text\n{word}\n".encode(encoding))
    assert fields(Table(file, encoding=encoding)) == [[word]]
    if encoding != "utf-16":
        with pytest.raises(DataError, match=r"line 2: byte 0x.. at offset \d+ is not UTF-8 text"):
            Table(file)


def test_the_message_says_what_the_byte_would_be(tmp_path: Path) -> None:
    file = written(tmp_path, "text\ncafé\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"or give --encoding cp1252 if it should be 'é'$"):
        Table(file)
    with pytest.raises(DataError, match=r"\(in a spreadsheet: CSV UTF-8\)$"):
        Table(file, option="")


def test_the_mark_of_utf_8_is_not_overruled(tmp_path: Path) -> None:
    file = written(tmp_path, "text\ncafé\n".encode("utf-8-sig"))
    with pytest.raises(
        DataError, match="begins with the mark of UTF-8, which is not cp1252; leave"
    ):
        Table(file, encoding="cp1252")
    assert fields(Table(file, encoding="utf8")) == [["café"]]


@pytest.mark.parametrize("name", ["utf-9", "hex", "rot13", "", "zip"])
def test_an_encoding_that_is_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"--encoding '{name}': no such encoding"):
        Table(written(tmp_path, "text\na\n"), encoding=name)


# --- Files that are something else


def _xlsx(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("[Content_Types].xml", "<Types/>")
        file.writestr("xl/workbook.xml", "<workbook/>")


def _ods(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("table.csv", "id,text\n")


def _sqlite(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table t (id)")
    connection.close()


ROWS = [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]
OTHERS: list[tuple[str, Callable[[Path], object]]] = [
    ("an Excel workbook (xlsx)", _xlsx),
    ("an OpenDocument spreadsheet (ods)", _ods),
    ("a ZIP archive", _zip),
    ("an SQLite database", _sqlite),
    ("a Parquet file", lambda path: pl.DataFrame(ROWS).write_parquet(path)),
    ("an Arrow file", lambda path: pl.DataFrame(ROWS).write_ipc(path)),
    ("compressed with gzip", lambda path: path.write_bytes(gzip.compress(b"id,text\n"))),
    ("JSON lines", lambda path: path.write_text("\n".join(map(json.dumps, ROWS)) + "\n")),
    ("JSON", lambda path: path.write_text(json.dumps(ROWS))),
    ("JSON", lambda path: path.write_text(json.dumps(ROWS, indent=1))),
    ("JSON", lambda path: path.write_text(json.dumps({"data": ROWS}, indent=1))),
    ("a web page", lambda path: path.write_text("\n<!DOCTYPE html>\n<html>404</html>")),
    ("XML", lambda path: path.write_text("<?xml version='1.0'?><a/>")),
    (
        "a Git LFS pointer, not the file itself",
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
    ),
    ("an image", lambda path: path.write_bytes(picture(1))),
    ("a PDF", lambda path: path.write_bytes(b"%PDF-1.7\n")),
]


@pytest.mark.parametrize(("what", "write"), OTHERS)
def test_a_file_of_another_kind_is_called_what_it_is(
    tmp_path: Path, what: str, write: Callable[[Path], object]
) -> None:
    file = tmp_path / "table.csv"
    write(file)
    with pytest.raises(DataError) as refused:
        Table(file)
    message = str(refused.value)
    assert message.startswith(f"{file}: is {what}, and a CSV is expected; ")
    assert "\n" not in message


def test_a_table_that_only_looks_like_something_else_is_read(tmp_path: Path) -> None:
    for header in ("[id],text", "{id};text", "PK,text", "<b>,text", "version,text", "PAR1,text"):
        assert len(Table(written(tmp_path, f"{header}\n1,2\n"), {"text"}).header) == 2


# --- Whatever it holds


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "the file is empty"),
        ("\n \n\t\n", "the file is empty"),
        (";;;\n,,\n", "the file is empty"),
        ('"id,text\n1,2\n', "line 1: the header has a quote that is never closed"),
        ('sep=;\n"id"x;text\n', "line 2: the header has a quote inside a quoted field"),
    ],
)
def test_a_file_without_a_header_is_refused(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Table(written(tmp_path, content))


def test_ten_thousand_columns_are_read_and_not_all_listed(tmp_path: Path) -> None:
    names = [f"column-{n}" for n in range(10_000)]
    file = written(tmp_path, ",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    assert len(fields(Table(file))[0]) == 10_000
    with pytest.raises(DataError, match=r"no column 'label'; found column-0, .*and 9,980 more$"):
        read_rows(file, ("label",))
    assert len(listing(["x" * 10**6])) < 100


class Counted(Lines):
    """Lines, and how often one was handed out."""

    handed = 0

    def __next__(self) -> str:
        line = super().__next__()
        self.handed += 1
        return line


def reads(text: str) -> tuple[int, int]:
    """How many lines a text has, and how many of them are handed to the parser in all."""
    counted = Counted(io.StringIO(text, newline=""))
    records = list(read_records(counted, Dialect(","), ["a", "b"]))
    assert all(isinstance(each, Record | Broken | Blank) for each in records)
    return len(io.StringIO(text, newline="").readlines()), counted.handed


@pytest.mark.parametrize(
    "line",
    ['a","b\n', '"a\n', 'a"\n', '"\n', '","\n', 'a,"\n', '"a","b\n', '""","\n', '\r"', '"a""\n'],
)
def test_no_line_is_read_more_than_twice(line: str) -> None:
    for count in (1_000, 2_000):
        lines, handed = reads(line * count)
        assert handed <= 2 * lines


@settings(max_examples=300)
@given(st.lists(st.text('a",\n\r', max_size=8), max_size=40), st.integers(1, 4))
def test_no_line_is_read_more_than_twice_whatever_they_hold(lines: list[str], times: int) -> None:
    total, handed = reads("\n".join(lines) * times)
    assert handed <= 2 * total


class Endless(io.StringIO):
    """A text of so many characters without a line's end, which notes what is asked of it."""

    def __init__(self, characters: int, rest: str) -> None:
        super().__init__(rest)
        self._left = characters
        self.most = 0

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
        if not self._left:
            return super().readline()
        assert size is not None
        assert size > 0, "a line is asked for without a bound"
        self.most = max(self.most, size)
        taken = min(size, self._left)
        self._left -= taken
        return "x" * taken


def test_a_line_without_an_end_is_skipped_in_bounded_memory() -> None:
    text = Endless(1_000_000_000, "\nb,c\n")
    broken, record = read_records(Lines(text), Dialect(","), ["a", "b"])
    assert isinstance(broken, Broken)
    assert (broken.line, broken.reason) == (1, "too long")
    assert record == Record(2, 3, ["b", "c"], nulls=False)
    assert text.most <= MAX_RECORD + 1


def test_a_quote_that_swallows_the_file_costs_its_own_line(tmp_path: Path) -> None:
    lines = [f'{n},"text, {n}"\n' for n in range(1_000)]
    lines[400] = '400,"never closed\n'
    lines[700] = '700,a"b","c\n'
    records = list(Table(written(tmp_path, "id,text\n" + "".join(lines))).records())
    broken = [each for each in records if isinstance(each, Broken)]
    assert [(each.line, each.reason) for each in broken] == [
        (402, "broken quoting"),
        (702, "broken quoting"),
    ]
    assert sum(isinstance(each, Record) for each in records) == 998


# --- Beside csv and pandas

cells = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=12
)
tables = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), max_size=8)
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tables,
    st.sampled_from(DELIMITERS),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_a_well_formed_table_is_what_csv_and_pandas_read(
    tmp_path: Path,
    rows: list[list[str]],
    delimiter: str,
    end: str,
    encoding: str,
    quoting: Literal[0, 1],
) -> None:
    width = len(rows[0]) if rows else 2
    header = [f"column {n}" for n in range(width)]
    text = io.StringIO(newline="")
    # Python's writer quotes a line break only where it is the one that it writes.
    broken = any(mark in cell for row in rows for cell in row for mark in "\r\n")
    quoting = csv.QUOTE_ALL if broken else quoting
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow(header)
    writer.writerows(rows)
    file = written(tmp_path, text.getvalue().encode(encoding))
    table = Table(file, {name.replace(" ", "_") for name in header})
    ours = fields(table)
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    assert ours == [row for row in filled if [cell.strip() for cell in row] != header]
    with file.open(encoding=encoding, newline="") as lines:
        theirs = list(csv.reader(lines, delimiter=table.delimiter, strict=True))[1:]
    assert ours == [row for row in theirs if any(cell.strip() for cell in row)]
    if width > 1 and filled and not any("\r" in cell for row in rows for cell in row):
        frame = pd.read_csv(
            file, sep=delimiter, encoding=encoding, dtype=str, keep_default_na=False,
            skip_blank_lines=False, engine="c",
        )  # fmt: skip
        kept = [list(row) for row in frame.itertuples(index=False)]
        assert ours == [row for row in kept if any(cell.strip() for cell in row)]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_one_line(tmp_path: Path, content: bytes) -> None:
    said = ""
    try:
        table = Table(written(tmp_path, content), {"text"})
        assert all(isinstance(each, Record | Broken | Blank) for each in table.records())
    except DataError as error:
        said = str(error)
    assert len(said.splitlines()) <= 1


# --- What stands for a missing value


@pytest.mark.parametrize(
    "word",
    ["", " ", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "null", "NULL", "None", "nil",
     "-", "--", "–", "—", "?", "???", ".", "…", "<NA>", r"\N", "#DIV/0!", "#VALUE!", "NaT"],
)  # fmt: skip
def test_words_for_a_missing_value(word: str) -> None:
    assert MissingWords()(word)
    assert not word.strip() or not MissingWords.read([""])(word)


@pytest.mark.parametrize("word", ["no", "0", "safe", "nano", "..", "a-b", "n", "nun", "not sure"])
def test_words_that_are_values(word: str) -> None:
    assert not MissingWords()(word)


def test_which_words_are_missing_is_stated() -> None:
    own = MissingWords.read(["skip, 99"])
    assert [own(word) for word in ("", "SKIP", "99", "NA")] == [True, True, True, False]
    assert not MissingWords()("None", frozenset({"none"}))


def test_codes_of_languages_are_no_missing_words() -> None:
    missing = MissingWords()
    assert [missing.language(code) for code in ("nan", "na", "no")] == [False] * 3
    assert all(map(missing.language, ("", "NaN", "NA", "None", "null", "-")))
    assert MissingWords.read(["nan"]).language("nan")


# --- What spreadsheets do


@given(st.text(max_size=20) | st.text("'=+-@\t\r\n1a", max_size=6))
def test_a_guarded_cell_comes_back_and_is_no_formula(text: str) -> None:
    cell = escape_formula(text)
    assert unescape_formula(cell) == text
    if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        float(cell)  # a number is none


def test_what_is_guarded() -> None:
    for formula in ("=1+2", "+a", "-b", "@c", "\td", "\uff1de", "'=f"):
        assert escape_formula(formula) == f"'{formula}"
    for plain in ("-1.5", "+2", "a=b", "'tis", ""):
        assert escape_formula(plain) == plain


@pytest.mark.parametrize(
    ("names", "cell", "name"),
    [
        (["007", "8"], "7", "007"),
        (["007", "8"], "7.0", "007"),
        (["1234"], "1,234", "1234"),
        (["1234"], "1.234,00".replace(",00", ""), "1234"),
        (["1234567"], "1’234’567", "1234567"),
        (["1.10"], "1,1", "1.10"),
        (["1230000000000000"], "1.23E+15", "1230000000000000"),
        (["1234567890123456"], "1,23457E+15", "1234567890123456"),
        (["1234567890123456789"], "1234567890123450000", "1234567890123456789"),
        (["1-2", "3-4"], "2-Jan", "1-2"),
        (["1-2", "3-4"], "01.02.2024", "1-2"),
        (["MAR1"], "1-Mar", "MAR1"),
        (["2024-01-02"], "1/2/2024", "2024-01-02"),
        (["true"], "TRUE", "true"),
        (["=1+2"], "'=1+2", "=1+2"),
        (['it\'s "so"'], "it’s “so”", 'it\'s "so"'),
        (["a-b"], "a–b", "a-b"),
        (["café"], "cafe\u0301", "café"),
        (["a b"], "a\u00a0b ", "a b"),
    ],
)
def test_a_name_is_found_in_what_a_spreadsheet_made_of_it(
    names: list[str], cell: str, name: str
) -> None:
    found = Keys([*names, "other"]).find(cell)
    assert found.names == (name,)
    assert found.how


def test_what_fits_several_names_is_none_of_them() -> None:
    keys = Keys(["007", "07", "1234567890123456", "1234567890123457", "1-2", "2-1"])
    assert keys.find("7").names == ("007", "07")
    assert len(keys.find("1.23457E+15").names) == 2
    assert len(keys.find("2-Jan").names) == 2
    assert keys.find("007").names == ("007",)
    assert not keys.find("007").how


@pytest.mark.parametrize("cell", ["1.5E+12", "#REF!", "12.05.2024"])
def test_what_fits_none_says_what_it_looks_like(cell: str) -> None:
    found = Keys(["a", "=1+2"]).find(cell)
    assert not found.names
    assert "a spreadsheet" in found.how
    assert not Keys(["a"]).find("b").how


@given(st.lists(cells, max_size=6), cells)
def test_a_name_as_it_is_stands_for_itself(names: list[str], name: str) -> None:
    assert Keys([*names, name]).find(name).names == (name,)


# --- Names that hold commas


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b", ["a", "b"]),
        ("Harm (1, 2),b", ["Harm (1, 2)", "b"]),
        ("b,harm (1, 2)", ["b", "harm (1, 2)"]),
        ("c,d", ["c", "d"]),
        ("x, y, z,b", ["x, y, z", "b"]),
    ],
)
def test_a_list_of_names_is_split_by_what_is_known(text: str, names: list[str]) -> None:
    known = ["a", "b", "Harm (1, 2)", "x, y", "x, y, z"]
    assert split_names(text, known) == names


@pytest.mark.parametrize("text", ["," * 2_000, ",".join("a" for _ in range(2_000))])
def test_long_lists_are_split_too(text: str) -> None:
    assert len(split_names(text, ["a, b"])) == text.count(",") + 1
