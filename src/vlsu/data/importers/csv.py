"""Delimited text files, whose columns are mapped to the fields of a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from vlsu.data.importers.base import ImportItem, ImportOptions, Note, Rejected, SourceRows
from vlsu.data.importers.exported import exported_row, is_export
from vlsu.data.importers.fields import assign_fields
from vlsu.data.importers.record import FIELDS, build_row
from vlsu.data.importers.together import build_rows, filled, stretches, with_others
from vlsu.data.tables import (
    Blank,
    Broken,
    MissingWords,
    Record,
    Table,
    normalise,
    stripped,
    unescape_formula,
    without_formula,
)

__all__ = ["read_csv", "read_mapped"]


def read_csv(path: Path, options: ImportOptions) -> Iterator[ImportItem | SourceRows]:
    """Read a CSV or TSV file.

    A column goes to the field that ``options.map`` gives it, else to the field of its own name,
    else into the metadata.

    Raises:
        UsageError: The map names an unknown field, or one field twice.
        DataError: A mapped column is missing or ambiguous, no column has texts or images, or the
            file cannot be read as a table.
    """
    table = Table(path, {*FIELDS, *map(normalise, options.map)}, encoding=options.encoding)
    where = f"{path}: line {table.header_line}"
    fields, notes = assign_fields(table.header, options.map, where, table.header_line)
    return _then(notes, read_mapped(table, fields, options))


def read_mapped(
    table: Table,
    fields: Mapping[int, str],
    options: ImportOptions,
    *,
    apart: pl.Expr | None = None,
) -> Iterator[ImportItem | SourceRows]:
    """Read every record of a table.

    Args:
        table: The file.
        fields: Position of a column -> field; other columns go into the metadata.
        options: The policy, and what counts as a missing value.
        apart: Which records are `SourceRow` in any case, by their fields.
    """
    reader = _Reader(table, fields, options, apart)
    if options.together and not reader.exported:
        return reader.rows_together()
    return map(reader.item, table.records())


class _Reader:
    """Reads records of a table as rows, one by one or many at once."""

    def __init__(
        self,
        table: Table,
        fields: Mapping[int, str],
        options: ImportOptions,
        apart: pl.Expr | None,
    ) -> None:
        self._table = table
        self._roles = [fields.get(n) for n in range(len(table.header))]
        self._names = _distinct_names(table.header)
        # An export of `vlsu data export`: its formulas are escaped, and missing values are empty.
        self.exported = is_export(table.header)
        self._exact = self.exported and not options.map and not options.grades
        if self.exported and options.missing.words is None:
            options = replace(options, missing=MissingWords.read([""]))
        self._options = options
        self._apart = apart

    def item(self, item: Record | Broken | Blank) -> ImportItem:
        if isinstance(item, Blank):
            return Note(item.line, "blank line")
        if isinstance(item, Broken):
            return Rejected(item.line, item.reason, item.value, item.advice)
        values: dict[str, str] = {}
        extra: dict[str, str] = {}
        for role, name, field in zip(self._roles, self._names, item.fields, strict=True):
            if role is None:
                extra[name] = field
            elif self.exported:
                values[role] = unescape_formula(field)
            else:
                values[role] = field if role == "text" else without_formula(field.strip())
        options = self._options
        row = exported_row(item.line, values, extra, options) if self._exact else None
        return row or build_row(item.line, values, extra, options, nulls=item.nulls)

    def rows_together(self) -> Iterator[ImportItem | SourceRows]:
        for items in stretches(self._table.records()):
            rows = self._together(items)
            if rows is None:
                yield from map(self.item, items)
            else:
                yield rows

    def _together(self, items: Sequence[Record | Broken | Blank]) -> SourceRows | None:
        """The rows of a stretch, `None` if most of them are to be read one by one."""
        records = [
            (place, item)
            for place, item in enumerate(items)
            if isinstance(item, Record) and not item.nulls
        ]
        if not records:
            return None
        places = pl.Series([place for place, _ in records], dtype=pl.Int64)
        lines = pl.Series([record.line for _, record in records], dtype=pl.Int64)
        try:
            columns = [
                pl.Series(cells, dtype=pl.String)
                for cells in zip(*(record.fields for _, record in records), strict=True)
            ]
        except UnicodeEncodeError:  # half a surrogate pair
            return None
        values: dict[str, pl.Series] = {}
        extra: dict[str, pl.Series] = {}
        formulas = pl.Series([False]).new_from_index(0, len(records))
        for role, name, cells in zip(self._roles, self._names, columns, strict=True):
            if role is None:
                extra[name] = filled(cells)
            elif role == "text":
                values[role] = cells
            else:
                values[role] = stripped(cells)
                formulas |= values[role].str.starts_with('="')
        apart = formulas
        if self._apart is not None:
            apart |= pl.DataFrame(values).select(self._apart).to_series()
        frame, notes, _ = build_rows(places, lines, values, extra, self._options, apart)
        return with_others(frame, notes, items, self.item)


def _then(
    notes: Sequence[Note], items: Iterator[ImportItem | SourceRows]
) -> Iterator[ImportItem | SourceRows]:
    yield from notes
    yield from items


def _distinct_names(header: Sequence[str]) -> list[str]:
    names: dict[str, None] = {}
    stated = set(header)
    for number, column in enumerate(header, 1):
        name = column or f"column {number}"
        while name in names or (name != column and name in stated):
            name = f"{name} (column {number})"
        names[name] = None
    return list(names)
