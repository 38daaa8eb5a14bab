"""A whole table as a frame of texts, for tables of which every column is needed at once.

Text without a quote, a null byte or a blank line is the same to every parser, and is read by
Polars; whatever else there is, record by record, with the same result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import TypeVar

import polars as pl

from vlsu._files import open_binary
from vlsu.data.tables.records import MAX_FIELD, Broken, Record
from vlsu.data.tables.table import Table
from vlsu.errors import DataError

__all__ = ["LINE", "mapped", "read_frame", "stripped", "tally"]

#: Column of the number of each record's first line.
LINE = "line"
#: What `str.strip` removes.
_SPACE = "".join(c for c in map(chr, chain(range(0x3001), (0xFEFF,))) if c.isspace())
_CHUNK = 1 << 20
#: Records that are held as Python objects.
_HELD = 50_000
#: Bytes by which text may be another to Polars than to `Table`: quotes, null bytes, blank lines
#: (beside LF, CRLF), and a byte order mark inside.
_SPECIAL = (b'"', b"\0", b"\n\n", b"\n\r", b"\r\r", b"\xef\xbb\xbf")


def read_frame(table: Table) -> pl.DataFrame:
    """Every record of a table that is not blank, in order.

    Args:
        table: Not lenient.

    Returns:
        A column of text for each of the header, named by its position (``"0"``, ``"1"``, ...), and
        `LINE`.

    Raises:
        DataError: The file cannot be read, or a record is malformed; the message names the line.
    """
    frame = _read_plain(table)
    return _read_records(table) if frame is None else frame


_Texts = TypeVar("_Texts", pl.Series, pl.Expr)


def stripped(cells: _Texts) -> _Texts:
    """The texts as `str.strip` leaves them."""
    return cells.str.strip_chars(_SPACE)


def tally(cells: pl.Series) -> Counter[str]:
    """How often each text occurs, in the order in which they do first."""
    counts = cells.to_frame("cell").group_by("cell", maintain_order=True).len()
    return Counter(dict(counts.iter_rows()))


def mapped(cells: pl.Series, function: Callable[[str], str | None]) -> pl.Series:
    """The function's value of each text, which it is called with once."""
    values = {cell: function(cell) for cell in cells.unique()}
    changed = {cell: value for cell, value in values.items() if value != cell}
    if not changed:
        return cells
    return cells.replace(
        pl.Series(list(changed), dtype=pl.String), pl.Series(changed.values(), dtype=pl.String)
    )


def _read_plain(table: Table) -> pl.DataFrame | None:
    """The records; `None` if they may be other ones to Polars than to `Table.records`."""
    names = [str(n) for n in range(len(table.header))]
    delimiter = table.plain_delimiter
    if delimiter is None or len(names) < 2:
        return None
    lines = _plain_lines(table.path, delimiter, table.body_line - 1, len(names))
    if lines is None:
        return None
    try:
        frame = pl.read_csv(
            table.path.absolute(),
            has_header=False,
            separator=delimiter,
            quote_char=None,
            skip_lines=table.body_line - 1,
            schema=dict.fromkeys(names, pl.String),
            glob=False,
        ).fill_null("")
    except (pl.exceptions.PolarsError, OSError):
        return None
    last = names[-1]
    if frame.height != lines or sum(_longest(frame[name]) for name in names) > MAX_FIELD:
        return None
    frame = frame.with_columns(
        pl.col(last).str.strip_suffix("\r"),
        pl.int_range(pl.len(), dtype=pl.Int64).add(table.body_line).alias(LINE),
    )
    first = pl.col("0").str.strip_chars(_SPACE)
    for row in frame.filter(first == table.header[0]).select(names).iter_rows():
        if [cell.strip() for cell in row] == table.header:
            return None
    blank = (first == "") & pl.all_horizontal(pl.col(names).str.contains(r"^\s*$"))
    return frame.filter(~blank) if frame.select(blank.any()).item() else frame


def _plain_lines(path: Path, delimiter: str, before: int, width: int) -> int | None:
    """Lines below the header, each of so many fields; `None` if the text is not plain."""
    mark = delimiter.encode()
    returns = ends = pairs = fields = 0
    begun = False
    tail = b""
    with open_binary(path) as file:
        if file.read(3) != b"\xef\xbb\xbf":
            file.seek(0)
        for _ in range(before):
            if not (line := file.readline(MAX_FIELD)).endswith(b"\n"):
                return None
            if any(special in line for special in (b'"', b"\0", b"\xef\xbb\xbf")):
                return None
            returns += line.count(b"\r")
            pairs += line.endswith(b"\r\n")
        tail = b"\n"
        while chunk := file.read(_CHUNK):
            seen = tail + chunk
            # These are layout to `str.strip` alone.
            if any(special in seen for special in _SPECIAL):
                return None
            if any(code in chunk for code in (b"\x1c", b"\x1d", b"\x1e", b"\x1f")):
                return None
            ends += chunk.count(b"\n")
            returns += chunk.count(b"\r")
            pairs += seen.count(b"\r\n") - (tail[-2:] == b"\r\n")
            fields += chunk.count(mark)
            tail = seen[-2:]
            begun = True
    if not begun or returns != pairs:
        return None
    lines = ends + (not tail.endswith(b"\n"))
    return lines if fields == lines * (width - 1) else None


def _longest(cells: pl.Series) -> int:
    longest = cells.str.len_bytes().max()
    return longest if isinstance(longest, int) else 0


def _read_records(table: Table) -> pl.DataFrame:
    width = len(table.header)
    schema: dict[str, type[pl.DataType]] = {str(n): pl.String for n in range(width)}
    schema[LINE] = pl.Int64
    parts = [pl.DataFrame(schema=schema)]
    held: list[Record] = []

    def keep() -> None:
        columns = {str(n): [record.fields[n] for record in held] for n in range(width)}
        parts.append(
            pl.DataFrame({**columns, LINE: [record.line for record in held]}, schema=schema)
        )
        held.clear()

    for each in table.records():
        if isinstance(each, Record):
            held.append(each)
            if len(held) == _HELD:
                keep()
        elif isinstance(each, Broken):
            what = ": ".join(part for part in (each.reason, each.value) if part)
            raise DataError(f"{table.path}: line {each.line}: {what}; {each.advice}")
    keep()
    return pl.concat(parts)
