"""Rows of this package's own exports, which become the very samples that were exported."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import replace

import orjson

from vlsu.data.importers.base import ImportOptions, SourceRow
from vlsu.data.importers.record import without_controls
from vlsu.data.rows import COLUMNS, to_sample
from vlsu.errors import DataError

__all__ = ["exported_row", "is_export"]

#: Columns of every export; `image_sha256` is left out where the image itself is in the row.
_COLUMNS = frozenset(COLUMNS) - {"image_sha256"}
#: Numbers of more digits may not fit into 64 bits, which is all that an export holds.
_LONG_NUMBER = re.compile(r"\d{20}")


def is_export(header: Collection[str]) -> bool:
    """Whether a file has the columns of `vlsu data export`, so that its values are exact."""
    return set(header) >= _COLUMNS


def exported_row(
    line: int,
    values: Mapping[str, object],
    extra: Mapping[str, object],
    options: ImportOptions,
    image_data: bytes | None = None,
) -> SourceRow | None:
    """The row of an export, or `None` if it was edited so that it is to be read like any other.

    Args:
        line: Number of the row's line.
        values: Field -> value; an empty text is a missing value where a file has no other.
        extra: Cells of other columns, which an export does not have.
        options: The policy.
        image_data: The image, if the file holds it.
    """
    metadata = values.get("metadata") or {}
    text = metadata if isinstance(metadata, str) else _json(metadata)
    if any(extra.values()) or text is None or not _is_exact(text):
        return None
    cells = [values.get(column) or None for column in COLUMNS[:-1]]
    if values.get("text") == "" and not isinstance(metadata, str):
        cells[COLUMNS.index("text")] = ""  # JSON and Parquet tell it from a missing one
    if not all(cell is None or isinstance(cell, str) for cell in cells):
        return None
    try:
        sample = to_sample([*(cell if isinstance(cell, str) else None for cell in cells), text])
    except DataError:
        return None
    categories = (sample.image_category, sample.text_category, sample.joint_category)
    known = {None, *options.policy.category_ids}
    if not known.issuperset(categories) or without_controls(sample.id).strip() != sample.id:
        return None
    image = values.get("image")
    names = [name for name in (image, sample.image_url) if isinstance(name, str) and name]
    return SourceRow(
        line,
        replace(sample, image_sha256=None),
        tuple(names),
        sample.image_sha256,
        image_data=image_data,
    )


def _is_exact(text: str) -> bool:
    """Whether metadata hold no number that orjson would round."""
    if not _LONG_NUMBER.search(text):
        return True
    try:
        return bool(json.loads(text) == orjson.loads(text))
    except (ValueError, RecursionError):
        return False


def _json(metadata: object) -> str | None:
    try:
        return orjson.dumps(metadata).decode()
    except TypeError:
        return None
