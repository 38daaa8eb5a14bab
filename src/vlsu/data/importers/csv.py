"""The importer for delimited text files, whose columns are mapped to the fields of a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from vlsu.data.importers.base import Importer, ImportItem, ImportOptions, Note, Rejected
from vlsu.data.importers.record import FIELDS, build_row
from vlsu.data.rows import COLUMNS
from vlsu.data.tables import (
    Blank,
    Broken,
    MissingWords,
    Table,
    find_column,
    listing,
    normalise,
    unescape_formula,
    without_formula,
)
from vlsu.errors import DataError, UsageError
from vlsu.registry import did_you_mean

__all__ = ["CSV", "read_csv", "read_mapped"]


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
    fields = _mapped(table, options.map)
    taken = set(fields.values())
    repeated: Counter[str] = Counter()
    for n, name in enumerate(map(normalise, table.header)):
        if n in fields or name not in FIELDS:
            continue
        if name in taken:
            repeated[name] += name not in options.map.values()
            continue
        fields[n] = name
        taken.add(name)
    if not {"text", "image", "image_url", "image_sha256"} & taken:
        raise DataError(
            f"{path}: line {table.header_line}: no column holds a text or an image; map one with "
            f"--map COLUMN=text; found: {listing(table.header)}"
        )
    notes = [
        Note(
            table.header_line,
            f"column {name} more than once, first taken",
            fix="rename the others, or say with --map which is meant",
            problem=True,
        )
        for name, count in repeated.items()
        if count
    ]
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
    exported = tuple(table.header) == COLUMNS
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
        yield build_row(item.line, values, extra, options, nulls=item.nulls)


def _mapped(table: Table, mapping: Mapping[str, str]) -> dict[int, str]:
    """Position of a column -> field, according to the map."""
    where = f"{table.path}: line {table.header_line}"
    known = set(map(normalise, table.header))
    columns: dict[str, str] = {}
    for column, stated in mapping.items():
        option, field = f"--map {column}={stated}", normalise(stated)
        if field not in FIELDS:
            reversed_ = normalise(column) in FIELDS and (
                field in known or normalise(column) not in known
            )
            if reversed_:
                hint = f"a map goes column=field: --map {stated}={column}"
            else:
                hint = did_you_mean(stated, list(FIELDS))
            raise UsageError(f"{option}: no such field; {hint}")
        if field in columns:
            raise UsageError(
                f"{option}: column {columns[field]!r} is mapped to it already; "
                "map one column to a field"
            )
        columns[field] = column
    fields: dict[int, str] = {}
    for field, column in columns.items():
        option = f"--map {column}={field}"
        position = _position(table.header, column, field, where, option)
        if position in fields:
            raise UsageError(
                f"{option}: column {table.header[position]!r} is mapped to {fields[position]} "
                "already; map a column once"
            )
        fields[position] = field
    return fields


def _position(header: Sequence[str], column: str, field: str, where: str, option: str) -> int:
    try:
        return find_column(header, column, where, option)
    except DataError as error:
        known = set(map(normalise, header))
        before, equals, named = column.partition(",")[0].rpartition("=")
        if normalise(column) in FIELDS and field in known and normalise(column) not in known:
            hint = f"; a map goes column=field: --map {field}={column}"
        elif equals and normalise(before) in known:
            near = did_you_mean(named, list(FIELDS))
            hint = f"; if these are several pairs, {named!r} is no field: {near}"
        else:
            raise
        raise DataError(f"{error}{hint}") from None


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


CSV = Importer(read_csv)
