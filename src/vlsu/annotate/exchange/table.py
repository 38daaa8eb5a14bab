"""Grades from a long table: a row for each, in the columns that exports of projects have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from vlsu.annotate.exchange.incoming import FIELDS, Incoming, Reader, Refused
from vlsu.data.grades.columns import CATEGORY, GRADE, GRADER, ITEM, MODALITY
from vlsu.data.tables import Broken, Record, Table, columns_found, find_column, normalise
from vlsu.errors import DataError

__all__ = ["read_table"]

_USUAL = {
    **{field: (field,) for field in FIELDS},
    "item": ITEM,
    "grader": GRADER,
    "grade": GRADE,
    "category": CATEGORY,
    "modality": MODALITY,
}


def read_table(
    path: Path, reader: Reader, mapped: Mapping[str, str], *, encoding: str | None = None
) -> Iterator[Incoming | Refused]:
    """The rows of a file, one by one.

    Args:
        path: A CSV or TSV.
        reader: Reads words and categories.
        mapped: Column -> field, for columns with other names than usual.
        encoding: Of the file, if it is not Unicode.

    Raises:
        UsageError: A column that is named is not there.
        DataError: It cannot be read, or lacks items or grades.
    """
    table = Table(path, {name for names in _USUAL.values() for name in names}, encoding=encoding)
    names = {normalise(name): n for n, name in reversed([*enumerate(table.header)])}
    places: dict[str, int] = {}
    for field, usual in _USUAL.items():
        told = next((column for column, f in mapped.items() if f == field), None)
        if told is not None:
            places[field] = find_column(table.header, told, str(path), "--map")
        elif (known := next((names[name] for name in usual if name in names), None)) is not None:
            places[field] = known
    for field in ("item", "grade"):
        if field not in places:
            raise DataError(
                f"{path}: no column for the {field}; name it with --map COLUMN={field}; "
                f"found: {columns_found(table.header)}"
            )
    for each in table.records():
        if isinstance(each, Record):
            cells = {field: each.fields[place] for field, place in places.items()}
            yield reader.read(f"line {each.line}", cells)
        elif isinstance(each, Broken):
            yield Refused(f"line {each.line}", "", each.reason)
