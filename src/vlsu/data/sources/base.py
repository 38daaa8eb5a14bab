"""The interface of readers of files: a source of entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vlsu.data.tables.records import Blank, Broken

__all__ = ["Entry", "Source", "SourceItem", "columns_of"]

#: Rows from which the columns of a file without a header are taken.
_PEEKED_ROWS = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a file.

    Attributes:
        line: Number of its first line in a text file, else the number of the row; from 1.
        values: Name -> value: a text, a number, a truth value, bytes, a list, a mapping, or `None`.
        nulls: Whether null bytes were removed from it.
        place: File of the row, relative to the source, if the source has several.
    """

    line: int
    values: Mapping[str, object]
    nulls: bool = False
    place: str = ""


SourceItem = Entry | Broken | Blank


@dataclass(frozen=True, slots=True)
class Source:
    """A file, or a folder of files, that can be read any number of times.

    Attributes:
        path: The file or folder.
        kind: What it is, such as ``"a Parquet file"``.
        columns: Names of the columns, as far as they are known before all rows are read.
        read: Yields every row in order, lazily. Raises `DataError` if the file is damaged.
        places: The distinct `Entry.place` of its rows, if it has several files.
    """

    path: Path
    kind: str
    columns: tuple[str, ...]
    read: Callable[[], Iterator[SourceItem]]
    places: tuple[str, ...] = ()


def columns_of(items: Iterable[SourceItem]) -> tuple[str, ...]:
    """The names in the first rows, in the order of their first occurrence."""
    names: dict[str, None] = {}
    for item in islice(items, _PEEKED_ROWS):
        if isinstance(item, Entry):
            names.update(dict.fromkeys(item.values))
    return tuple(names)
