"""Tables filled in by people, as rows of named cells; the first malformed row is an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlsu.data.tables.columns import columns_found, normalise
from vlsu.data.tables.records import Broken, Record
from vlsu.data.tables.table import Table
from vlsu.errors import DataError

__all__ = ["Row", "read_rows"]


@dataclass(frozen=True, slots=True)
class Row:
    """A row with a value in it.

    Attributes:
        number: As a spreadsheet counts rows, from 1.
        cells: Normalised name of a requested column -> its cell in the file; a missing column has
            empty cells.
    """

    number: int
    cells: Mapping[str, str]


def read_rows(
    source: Path,
    required: Sequence[str],
    optional: Sequence[str] = (),
    *,
    encoding: str | None = None,
    option: str = "",
) -> Iterator[Row]:
    """The rows of a table.

    Args:
        source: The file.
        required: Normalised names of required columns.
        optional: Those of optional columns; others are left out.
        encoding: Encoding of the file, if the user states it.
        option: The option for the encoding, for messages; empty if there is none.

    Raises:
        UsageError: There is no such encoding.
        DataError: It cannot be read, a required column is missing, a requested column occurs twice,
            or a row is malformed; the message names it.
    """
    wanted = (*required, *optional)
    table = Table(source, wanted, encoding=encoding, option=option, lenient=True)
    places: dict[str, int] = {}
    for n, name in enumerate(map(normalise, table.header)):
        if name not in wanted:
            continue
        if name in places:
            raise DataError(f"{source}: two columns are called {name!r}; rename one")
        places[name] = n
    for column in required:
        if column not in places:
            raise DataError(f"{source}: no column {column!r}; found {columns_found(table.header)}")
    return _rows(table, wanted, places)


def _rows(table: Table, wanted: Sequence[str], places: Mapping[str, int]) -> Iterator[Row]:
    empty = dict.fromkeys(wanted, "")
    for each in table.records():
        if isinstance(each, Record):
            yield Row(each.row, empty | {name: each.fields[n] for name, n in places.items()})
        elif isinstance(each, Broken):
            what = f"{each.reason}: {each.value}" if each.value else each.reason
            raise DataError(f"{table.path}: row {each.row}: {what}; {each.advice}")
