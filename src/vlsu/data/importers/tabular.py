"""The importer for tables of any kind: CSV, JSON lines, JSON, Parquet, Arrow and workbooks.

What a file is, is found out from its content: ``csv``, ``jsonl``, ``parquet`` and ``xlsx`` name
what is expected, and a file of another kind is read all the same and noted.
"""

from __future__ import annotations

import datetime
import decimal
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import orjson
import polars as pl

from vlsu._text import quoted
from vlsu.data.images.inline import begins_as_image
from vlsu.data.importers.base import (
    Importer,
    ImportItem,
    ImportOptions,
    Note,
    Rejected,
    SourceRow,
    SourceRows,
)
from vlsu.data.importers.croissant import about_croissant
from vlsu.data.importers.csv import read_csv
from vlsu.data.importers.exported import exported_row, is_export
from vlsu.data.importers.fields import assign_fields
from vlsu.data.importers.record import FIELDS, MAX_DEPTH, build_row, nests_deeper
from vlsu.data.importers.together import build_rows, filled, stretches, with_others
from vlsu.data.sources import Entry, Source, SourceItem, open_source
from vlsu.data.sources.opening import file_kind
from vlsu.data.tables import Blank, Broken, MissingWords, normalise, stripped

__all__ = ["CSV", "JSONL", "PARQUET", "XLSX", "broken_item", "plain", "read_source", "split_image"]

#: Rows in which images are looked for; a batch of a Parquet file is read whole in any case.
_PEEKED_ROWS = 64

_EXPECTED = {
    "csv": (None,),
    "jsonl": ("JSON lines", "JSON"),
    "parquet": ("a Parquet file",),
    "xlsx": ("an Excel workbook (xlsx)",),
}


def read_tabular(
    path: Path, options: ImportOptions, *, format: str
) -> Iterator[ImportItem | SourceRows]:
    """Read a table of any kind.

    Raises:
        UsageError: The map names an unknown field, or one field twice; or a workbook cannot be
            read without another package.
        DataError: A mapped column is missing or ambiguous, no column has texts or images, or the
            file holds no rows.
    """
    kind = file_kind(path)
    notes = []
    if kind not in _EXPECTED[format] and kind is not None:
        notes.append(Note(0, f"the file is {kind}, and is read as such"))
    elif kind not in _EXPECTED[format]:
        notes.append(Note(0, "the file is delimited text, and is read as such"))
    if kind is None:
        return _then(notes, read_csv(path, options))
    return _then(notes, read_source(open_source(path, encoding=options.encoding), options))


def read_source(
    source: Source, options: ImportOptions, items: Iterable[SourceItem] | None = None
) -> Iterator[ImportItem | SourceRows]:
    """Read every row of a source, its columns assigned to fields.

    Args:
        source: The source.
        options: The policy, the map, and what counts as a missing value.
        items: Its rows, if they were read otherwise.

    Raises:
        UsageError: The map names an unknown field, or one field twice.
        DataError: A mapped column is missing or ambiguous, or no column has texts or images.
    """
    holding = _image_columns(source)
    images = [name for name in source.columns if name in holding]
    fields, notes = assign_fields(source.columns, options.map, str(source.path), images=images)
    roles = {source.columns[n]: field for n, field in fields.items()}
    return _then(notes, _rows(source, roles, options, items))


def _rows(
    source: Source,
    roles: dict[str, str],
    options: ImportOptions,
    items: Iterable[SourceItem] | None,
) -> Iterator[ImportItem | SourceRows]:
    exported = is_export(source.columns) and not options.map and not options.grades
    if exported and options.missing.words is None:
        options = ImportOptions(
            options.policy,
            options.map,
            options.grades,
            MissingWords.read([""]),
            options.encoding,
        )
    read = source.read() if items is None else items
    roles_of = _Roles(roles)
    if not options.together or exported:
        for item in read:
            yield _item(item, roles_of, options, exported=exported)
        return
    for stretch in stretches(read):
        rows = _together(stretch, roles_of, options)
        if rows is None:
            for item in stretch:
                yield _item(item, roles_of, options, exported=False)
        else:
            yield rows


class _Roles:
    """The fields of columns, also of those that only later rows have."""

    def __init__(self, roles: dict[str, str]) -> None:
        self._roles = roles
        self._taken = set(roles.values())

    def of(self, name: str) -> str | None:
        """The field of a column, `None` if it goes into the metadata."""
        role = self._roles.get(name)
        if role is None and (named := normalise(name)) in FIELDS and named not in self._taken:
            role = self._roles[name] = named
            self._taken.add(named)
        return role


def _item(item: SourceItem, roles: _Roles, options: ImportOptions, *, exported: bool) -> ImportItem:
    if isinstance(item, Blank | Broken):
        return broken_item(item)
    values: dict[str, object] = {}
    extra: dict[str, object] = {}
    for name, value in item.values.items():
        role = roles.of(name)
        (extra if role is None else values)[role or name] = value
    return _row(item.line, values, extra, options, exported=exported, nulls=item.nulls)


def _together(
    items: Sequence[SourceItem], roles: _Roles, options: ImportOptions
) -> SourceRows | None:
    """The rows of a stretch, `None` if most of them are to be read one by one."""
    shapes = [
        tuple(item.values) if isinstance(item, Entry) and not item.nulls else () for item in items
    ]
    ((names, _),) = Counter(shapes).most_common(1)
    if not names:
        return None
    fields = {name: roles.of(name) for shape in dict.fromkeys(shapes) for name in shape}
    entries = [
        (place, item)
        for place, (item, shape) in enumerate(zip(items, shapes, strict=True))
        if shape == names and isinstance(item, Entry)
    ]
    apart = [False] * len(entries)
    values: dict[str, pl.Series] = {}
    extra: dict[str, pl.Series] = {}
    try:
        for name in names:
            role = fields[name]
            cells = [item.values[name] for _, item in entries]
            if role is None:
                extra[name] = _json_cells(cells, apart)
            else:
                values[role] = _text_cells(cells, role, apart)
    except UnicodeEncodeError:  # half a surrogate pair
        return None
    places = pl.Series([place for place, _ in entries], dtype=pl.Int64)
    lines = pl.Series([item.line for _, item in entries], dtype=pl.Int64)
    frame, notes, _ = build_rows(places, lines, values, extra, options, pl.Series(apart))
    return with_others(
        frame, notes, items, lambda item: _item(item, roles, options, exported=False)
    )


def _text_cells(cells: list[object], field: str, apart: list[bool]) -> pl.Series:
    """The texts of a field as `_row` reads them; what are none are set apart."""
    texts = []
    for n, value in enumerate(cells):
        if value is not None and type(value) is not str:
            apart[n] |= field in ("image", "metadata") or (value := _text(value)) is None
        texts.append(value if type(value) is str else "")
    series = pl.Series(texts, dtype=pl.String)
    return series if field == "text" else stripped(series)


def _json_cells(cells: list[object], apart: list[bool]) -> pl.Series:
    """Values of metadata as JSON, `None` where there is none; lists and the like are set apart."""
    if all(value is None or type(value) is str for value in cells):
        return filled(pl.Series(cells, dtype=pl.String).fill_null(""))
    texts: list[str | None] = []
    for n, value in enumerate(cells):
        plain_value = plain(value) if isinstance(value, str | int | float) else None
        apart[n] |= value is not None and not isinstance(value, str | int | float)
        blank = plain_value is None or (isinstance(plain_value, str) and not plain_value.strip())
        texts.append(None if blank else orjson.dumps(plain_value).decode())
    return pl.Series(texts, dtype=pl.String)


def _row(
    line: int,
    values: dict[str, object],
    extra: dict[str, object],
    options: ImportOptions,
    *,
    exported: bool,
    nulls: bool,
) -> SourceRow | Rejected:
    data, name, faults = split_image(values.pop("image", None))
    if name is not None and not (exported and data is not None):
        values["image"] = name
    if exported and (row := exported_row(line, values, extra, options, data)) is not None:
        return row
    metadata = values.pop("metadata", None)
    if metadata is not None and not isinstance(metadata, dict):
        values["metadata"], metadata = metadata, None
    texts: dict[str, str] = {}
    for field, value in values.items():
        text = _text(value)
        if text is None:
            what = type(value).__name__
            fix = f"give {field} as a text, or map another column"
            return Rejected(line, f"{field} is not a text", what, fix)
        texts[field] = text if field == "text" else text.strip()
    notes = [Note(line, fault, problem=True) for fault in faults]
    kept, left_out = _metadata(extra)
    notes += [replace(note, line=line) for note in left_out]
    stated = _metadata(metadata or {})[0]
    row_ = build_row(line, texts, kept, options, nulls=nulls, metadata=stated, image_data=data)
    if isinstance(row_, SourceRow) and notes:
        return SourceRow(
            row_.line,
            row_.sample,
            row_.image_names,
            row_.image_sha256,
            (*row_.notes, *notes),
            row_.image_data,
        )
    return row_


def split_image(value: object) -> tuple[bytes | None, str | None, list[str]]:
    """The bytes, the name and faults of an image in a row.

    It may be bytes, a text (a path, an address, a data URI or base64), the struct of `bytes` and
    `path` that Hugging Face `datasets` writes, or a list of these, of which the first is taken.
    """
    faults = []
    if isinstance(value, list | tuple):
        if len(value) > 1:
            faults.append("several images in a row, first taken")
        value = value[0] if value else None
    name: object = None
    if isinstance(value, dict):
        name = value.get("path") or value.get("src") or value.get("url")
        value = value.get("bytes")
    if isinstance(value, str):
        return None, value, faults
    if isinstance(value, bytes | bytearray | memoryview) and len(value):
        return bytes(value), None, faults
    return None, name if isinstance(name, str) and name else None, faults


def broken_item(item: Blank | Broken) -> Note | Rejected:
    """What is said about a line without a row, or one that cannot be read."""
    if isinstance(item, Blank):
        return Note(item.line, "blank line")
    return Rejected(item.line, item.reason, item.value, item.advice)


def plain(value: object) -> object:
    """A value as metadata hold it: what JSON has no type for becomes a text or nothing.

    So does what is nested more deeply than JSON libraries read.
    """
    return None if nests_deeper(value, MAX_DEPTH) else _plain(value)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta | decimal.Decimal):
        return str(value)
    if isinstance(value, str | bool) or value is None:
        return value
    return None


def _metadata(extra: Mapping[str, object]) -> tuple[dict[str, object], list[Note]]:
    """Values that fit into metadata, and notes on those that do not, without a line."""
    kept: dict[str, object] = {}
    left_out: list[Note] = []
    for name, value in extra.items():
        data, path, _ = split_image(value)
        if data is not None:
            kind, fix = "binary column left out", "see whether it is needed"
            if image := begins_as_image(data):
                kind, fix = "image in another column left out", f"--map '{name}=image' takes it"
            left_out.append(Note(0, kind, quoted(name, 80), fix, problem=image))
            if path is not None:
                kept[name] = path
            continue
        kept[name] = plain(value)
        if kept[name] is None and isinstance(value, dict | list):
            kind = f"value nested over {MAX_DEPTH} levels left out"
            left_out.append(Note(0, kind, quoted(name, 80), "see whether it is needed"))
    return kept, left_out


def _text(value: object) -> str | None:
    """The text of a scalar, `None` for anything else."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else "" if math.isnan(value) else str(value)
    if isinstance(value, str | int | datetime.date):
        return str(value)
    return None


def _image_columns(source: Source) -> set[str]:
    """Columns of which one of the first rows holds an image itself."""
    return {
        name
        for item in islice(source.read(), _PEEKED_ROWS)
        if not isinstance(item, Blank | Broken)
        for name, value in item.values.items()
        if _is_image(value)
    }


def _is_image(value: object) -> bool:
    """Whether a value is an image itself: the struct of one, or bytes that begin as one."""
    data, _, _ = split_image(value)
    if data is None:
        return False
    value = value[0] if isinstance(value, list | tuple) else value
    return isinstance(value, dict) or begins_as_image(data)


def _then(
    notes: Iterable[Note], items: Iterator[ImportItem | SourceRows]
) -> Iterator[ImportItem | SourceRows]:
    yield from notes
    yield from items


def _importer(format: str) -> Importer:
    read: Callable[[Path, ImportOptions], Iterator[ImportItem | SourceRows]]
    read = partial(read_tabular, format=format)
    return Importer(read, describe=about_croissant, together=True)


CSV, JSONL, PARQUET, XLSX = map(_importer, ("csv", "jsonl", "parquet", "xlsx"))
