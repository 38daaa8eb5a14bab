"""Any delimited text file, its columns mapped to the fields of a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from vlsu.data.importers.base import Importer, ImportItem, ImportOptions
from vlsu.data.importers.record import FIELDS, build_row
from vlsu.data.importers.table import Record, Table, normalise
from vlsu.errors import DataError, UsageError
from vlsu.registry import did_you_mean

__all__ = ["CSV", "read_csv", "read_mapped"]


def read_csv(path: Path, options: ImportOptions) -> Iterator[ImportItem]:
    """Read a CSV or TSV file.

    A column goes to the field that ``options.map`` gives it, else to the field of its own name,
    else into the metadata.

    Raises:
        UsageError: The map names a field that does not exist, or one field twice.
        DataError: A mapped column is not in the file, no column holds a text or an image, or the
            file cannot be read as text.
    """
    taken: dict[str, str] = {}
    for column, field in options.map.items():
        if field not in FIELDS:
            raise UsageError(f"--map {column}={field}: no such field; {_near(field)}")
        if field in taken:
            raise UsageError(
                f"--map {column}={field}: column {taken[field]!r} is mapped to it already; "
                "map one column to a field"
            )
        taken[field] = column
    table = Table(path, {*FIELDS, *map(normalise, options.map)})
    fields = _mapped(table, options.map)
    for column in table.header:
        name = normalise(column)
        if column not in fields and name in FIELDS and name not in taken:
            fields[column] = name
            taken[name] = column
    if not {"text", "image", "image_url", "image_sha256"} & set(fields.values()):
        raise DataError(
            f"{path}: line {table.header_line}: no column holds a text or an image; map one with "
            f"--map COLUMN=text; found: {', '.join(table.header)}"
        )
    return read_mapped(table, fields, options)


def read_mapped(
    table: Table, fields: Mapping[str, str], options: ImportOptions
) -> Iterator[ImportItem]:
    """Read every record of a table.

    Args:
        table: The file.
        fields: Column as the header has it -> field; other columns go into the metadata.
        options: Policy of the categories.
    """
    roles = [fields.get(column) for column in table.header]
    extra_names = _distinct_names(table.header)
    for item in table.records():
        if not isinstance(item, Record):
            yield item
            continue
        values: dict[str, str] = {}
        extra: dict[str, str] = {}
        for role, name, value in zip(roles, extra_names, item.fields, strict=True):
            # A second column of the same name is no second value of the field.
            if role is None or role in values:
                extra[name] = value
            else:
                values[role] = value
        yield build_row(item.line, values, extra, options.policy, nulls=item.nulls)


def _mapped(table: Table, mapping: Mapping[str, str]) -> dict[str, str]:
    columns = {normalise(column): column for column in reversed(table.header)}
    fields = {}
    for column, field in mapping.items():
        found = columns.get(normalise(column))
        if found is None:
            raise DataError(
                f"{table.path}: line {table.header_line}: no column {column!r} (--map "
                f"{column}={field}); {did_you_mean(column, table.header)}"
            )
        fields[found] = field
    return fields


def _distinct_names(header: list[str]) -> list[str]:
    names: list[str] = []
    for number, column in enumerate(header, 1):
        name = column or f"column {number}"
        names.append(name if name not in names else f"{name} (column {number})")
    return names


def _near(field: str) -> str:
    return did_you_mean(field, list(FIELDS))


CSV = Importer(read_csv)
