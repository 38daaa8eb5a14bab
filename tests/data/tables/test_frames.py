"""Whole tables as frames: the same records, whether Polars or the parser of records reads them."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vlsu.data.tables import LINE, Record, Table, frames, mapped, read_frame, stripped, tally
from vlsu.errors import DataError

_CELLS = st.text(st.sampled_from("ab,;\t \"'\r\n\0\x1c\x1f\x85\ufeff\u00e9"), max_size=6)
_TEXTS = st.lists(_CELLS, max_size=12).map(",".join)


@given(
    _TEXTS,
    st.sampled_from(["a,b\n", "a,b\r\n", "\ufeffa,b\n", '"a",b\n', "a;b\n", "\nsep=;\na;b\n"]),
)
@example("1,2\n3,4\n", "a,b\n")
@example("1,2\r\n3,4\r\n", "a,b\r\n")
@example("1,2\r\n\r\n3,4\r\n", "a,b\r\n")
@example("1\n2,3,4\n", "a,b\n")
@example("1,2,3\n4\n", "a,b\n")
@example(" , \n1,2", "a,b\n")
@example("1,2\na, b\n", "a,b\n")
@example("\ufeff1,2\n", "a,b\n")
@example(",\r\r\n", "a,b\r\n")
@example("", "a,b\n")
def test_a_frame_has_the_records_of_its_table(
    tmp_path_factory: pytest.TempPathFactory, body: str, header: str
) -> None:
    path = tmp_path_factory.mktemp("table") / "t.csv"
    path.write_bytes((header + body).encode())
    try:
        table = Table(path, {"a", "b"})
    except DataError:
        return
    found = list(table.records())
    if any(type(each).__name__ == "Broken" for each in found):
        with pytest.raises(DataError, match=r"line \d+: "):
            read_frame(table)
        return
    records = [(*each.fields, each.line) for each in found if isinstance(each, Record)]
    frame = read_frame(table)
    assert frame.columns == [*map(str, range(len(table.header))), LINE]
    assert frame.rows() == records


def test_plain_text_is_not_read_record_by_record(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for text in ("a,b\n1,2\n3,\n", "\ufeffa;b\r\n1;2\r\n3;", "\n\na\tb\n1\t2\n3\t\n"):
        path.write_bytes(text.encode())
        plain = frames._read_plain(Table(path))
        assert plain is not None
        assert plain.select("0", "1").rows() == [("1", "2"), ("3", "")]


@given(st.lists(st.text(max_size=4)))
def test_texts_are_stripped_counted_and_mapped_as_python_does(cells: list[str]) -> None:
    series = pl.Series(cells, dtype=pl.String)
    assert stripped(series).to_list() == [cell.strip() for cell in cells]
    assert list(tally(series).items()) == [
        (cell, cells.count(cell)) for cell in dict.fromkeys(cells)
    ]
    assert mapped(series, lambda cell: cell[1:] or None).to_list() == [
        cell[1:] or None for cell in cells
    ]
