"""Delimited text files, whose columns are mapped to the fields of a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from vlsu.data.importers.base import ImportItem, ImportOptions, Note, Rejected
from vlsu.data.importers.exported import exported_row, is_export
from vlsu.data.importers.fields import assign_fields
from vlsu.data.importers.record import FIELDS, build_row
from vlsu.data.tables import (
    Blank,
    Broken,
    MissingWords,
    Table,
    normalise,
    unescape_formula,
    without_formula,
)

__all__ = ["read_csv", "read_mapped"]


def read_csv(path: Path, options: ImportOptions) -> Iterator[ImportItem]:
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
    table: Table, fields: Mapping[int, str], options: ImportOptions
) -> Iterator[ImportItem]:
    """Read every record of a table.

    Args:
        table: The file.
        fields: Position of a column -> field; other columns go into the metadata.
        options: The policy, and what counts as a missing value.
    """
    roles = [fields.get(n) for n in range(len(table.header))]
    names = _distinct_names(table.header)
    # An export of `vlsu data export`: its formulas are escaped, and missing values are empty.
    exported = is_export(table.header)
    exact = exported and not options.map and not options.grades
    if exported and options.missing.words is None:
        options = replace(options, missing=MissingWords.read([""]))
    for item in table.records():
        if isinstance(item, Blank):
            yield Note(item.line, "blank line")
            continue
        if isinstance(item, Broken):
            yield Rejected(item.line, item.reason, item.value, item.advice)
            continue
        values: dict[str, str] = {}
        extra: dict[str, str] = {}
        for role, name, field in zip(roles, names, item.fields, strict=True):
            if role is None:
                extra[name] = field
            elif exported:
                values[role] = unescape_formula(field)
            else:
                values[role] = field if role == "text" else without_formula(field.strip())
        row = exported_row(item.line, values, extra, options) if exact else None
        yield row or build_row(item.line, values, extra, options, nulls=item.nulls)


def _then(notes: Sequence[Note], items: Iterator[ImportItem]) -> Iterator[ImportItem]:
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
