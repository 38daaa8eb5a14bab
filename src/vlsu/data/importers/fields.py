"""Assigning the columns of a file to the fields of a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from vlsu.data.importers.base import Note
from vlsu.data.importers.record import FIELDS
from vlsu.data.tables import columns_found, find_column, normalise
from vlsu.errors import DataError, UsageError
from vlsu.registry import did_you_mean

__all__ = ["assign_fields"]


def assign_fields(
    header: Sequence[str],
    mapping: Mapping[str, str],
    where: str,
    line: int = 0,
    images: Sequence[str] = (),
) -> tuple[dict[int, str], list[Note]]:
    """Position of a column -> field, and notes on columns that have one name.

    A column goes to the field that `mapping` gives it, else to the field of its own name.

    Args:
        header: The columns' names.
        mapping: Column -> field.
        where: The file and the line of its header, for messages.
        line: The header's line, for notes.
        images: Columns that hold images, one of which is the image if no column says so.

    Raises:
        UsageError: The map names an unknown field, or one field twice.
        DataError: A mapped column is missing or ambiguous, or no column has texts or images.
    """
    fields = _mapped(header, mapping, where)
    taken = set(fields.values())
    repeated: Counter[str] = Counter()
    for n, name in enumerate(map(normalise, header)):
        if n in fields or name not in FIELDS:
            continue
        if name in taken:
            repeated[name] += name not in mapping.values()
            continue
        fields[n] = name
        taken.add(name)
    if "image" not in taken and len(images) == 1 and (n := header.index(images[0])) not in fields:
        fields[n] = "image"
        taken.add("image")
    if not {"text", "image", "image_url", "image_sha256"} & taken:
        raise DataError(
            f"{where}: no column holds a text or an image; map one with "
            f"--map COLUMN=text; found: {columns_found(header)}"
        )
    notes = [
        Note(
            line,
            f"column {name} more than once, first taken",
            fix="rename the others, or say with --map which is meant",
            problem=True,
        )
        for name, count in repeated.items()
        if count
    ]
    return fields, notes


def _mapped(header: Sequence[str], mapping: Mapping[str, str], where: str) -> dict[int, str]:
    """Position of a column -> field, according to the map."""
    known = set(map(normalise, header))
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
        position = _position(header, column, field, where, option)
        if position in fields:
            raise UsageError(
                f"{option}: column {header[position]!r} is mapped to {fields[position]} "
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
