"""Delimited text as a source."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from vlsu.data.sources.base import Entry, Source, SourceItem
from vlsu.data.tables.records import Record
from vlsu.data.tables.table import Table

__all__ = ["delimited_source"]


def delimited_source(path: Path, known: Collection[str], encoding: str | None) -> Source:
    """Open delimited text; of several columns with one name, the first is read.

    Raises:
        UsageError: The encoding does not exist.
        DataError: As `vlsu.data.tables.Table`.
    """
    table = Table(path, known, encoding=encoding)
    places = {name: n for n, name in reversed(list(enumerate(table.header))) if name}
    columns = tuple(dict.fromkeys(filter(None, table.header)))

    def read() -> Iterator[SourceItem]:
        for item in table.records():
            if isinstance(item, Record):
                values = {name: item.fields[places[name]] for name in columns}
                yield Entry(item.line, values, item.nulls)
            else:
                yield item

    return Source(path, "delimited text", columns, read)
