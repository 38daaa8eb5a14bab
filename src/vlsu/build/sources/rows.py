"""Files of rows that hold images or name them, read twice: once for what they say, then by row.

While the rows of a Parquet file are read for their captions, no image is: its column is left out.
An image is found again by the number of its row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from vlsu.build.sources.left_out import LeftOut
from vlsu.data.images.inline import inline_image
from vlsu.data.images.probe import MAX_BYTES, ImageError
from vlsu.data.importers.tabular import split_image
from vlsu.data.parquet import literal, reading, scan_parquet
from vlsu.data.sources import Entry, Source
from vlsu.data.sources.columnar import class_names
from vlsu.data.tables import Broken, normalise
from vlsu.errors import DataError

__all__ = ["IMAGE_COLUMNS", "ParquetFile", "Row", "RowFile", "TableFile"]

#: Names of columns that hold an image or the path of one, the likeliest first.
IMAGE_COLUMNS = (
    *("image", "file_name", "filename", "image_path", "img_path", "image_file", "img", "picture"),
    *("photo", "path", "file", "images"),
)
_BATCH = 4096
_AGAIN = "download or write the file again"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file.

    Attributes:
        number: From 1.
        values: Column -> value, without images.
        inside: Whether the file itself holds its image.
        paths: Otherwise where that may be, as the row says.
    """

    number: int
    values: Mapping[str, object]
    inside: bool = False
    paths: tuple[str, ...] = ()


class RowFile(Protocol):
    """A file of rows."""

    path: Path

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, as far as they are known."""
        ...

    def rows(self, left_out: LeftOut) -> Iterator[Row]:
        """Every row, in order; those that cannot be read are counted.

        Raises:
            DataError: The file is damaged.
        """
        ...

    def image(self, number: int) -> bytes:
        """The image inside of a row.

        Raises:
            DataError: There is none, or it cannot be read.
        """
        ...

    def close(self) -> None:
        """Release the file."""
        ...


class ParquetFile:
    """A Parquet file; images are in a binary column, or one of structs of ``bytes`` and ``path``.

    Args:
        path: The file.
        column: Of the images, if it is stated.

    Raises:
        DataError: It is damaged, or has no column of that name.
    """

    def __init__(self, path: Path, column: str = "") -> None:
        self.path = path
        with reading(path, _AGAIN):
            self._schema = dict(scan_parquet(path).collect_schema())
            metadata = pl.read_parquet_metadata(literal(path)).get("huggingface", "{}")
        self._classes = class_names(metadata)
        holding = [name for name, kind in self._schema.items() if _holds_bytes(kind)]
        self._image = _chosen(self.columns, column, holding, path)
        self._left = [name for name in self._schema if name not in holding]

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self._schema)

    def rows(self, left_out: LeftOut) -> Iterator[Row]:
        """Every row, its images not read."""
        inside = self._image is not None and self._image not in self._left
        number = 0
        with reading(self.path, _AGAIN):
            frame = scan_parquet(self.path).select(self._left or [pl.lit(None).alias("row")])
            if not self._left:  # nothing but images
                frame = pl.LazyFrame({"row": pl.int_range(self._height(), eager=True)})
            for part in frame.collect_batches(chunk_size=_BATCH, maintain_order=True):
                for values in part.iter_rows(named=True):
                    number += 1
                    named = _with_names(values, self._classes)
                    paths = () if inside else _paths(named, self._image)
                    yield Row(number, named, inside, paths)

    def image(self, number: int) -> bytes:
        """The image of a row."""
        column = self._image or ""
        with reading(self.path, _AGAIN):
            frame = scan_parquet(self.path).select(column).slice(number - 1, 1).collect()
        value = frame[column].to_list()[0] if frame.height else None
        return _bytes_of(value, self.path, number)

    def _height(self) -> int:
        return int(scan_parquet(self.path).select(pl.len()).collect().item())

    def close(self) -> None:
        """Nothing is held open."""


class TableFile:
    """Any other file of rows; images are in it as data URIs, base64 or bytes, or named by a path.

    Args:
        source: The file.
        column: Of the images, if it is stated.

    Raises:
        DataError: It has no column of that name.
    """

    def __init__(self, source: Source, column: str = "") -> None:
        self.path = source.path
        self._source = source
        self._image = _chosen(source.columns, column, [], source.path)
        self._reading: Iterator[Any] | None = None
        self._next = 1

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of the first rows."""
        return self._source.columns

    def rows(self, left_out: LeftOut) -> Iterator[Row]:
        """Every row."""
        for number, item in enumerate(self._source.read(), 1):
            if isinstance(item, Entry):
                column = self._image or _first_image(item.values)
                inside = column is not None and _is_inline(item.values.get(column))
                paths = () if inside else _paths(item.values, column)
                values = {
                    name: value
                    for name, value in item.values.items()
                    if not (inside and name == column) and not isinstance(value, bytes)
                }
                yield Row(number, values, inside, paths)
            elif isinstance(item, Broken):
                left_out.add(f"a row: {item.reason}", f"{self.path.name} row {item.line}")

    def image(self, number: int) -> bytes:
        """The image of a row; in any order, but fastest in that of the rows."""
        if self._reading is None or number < self._next:
            self._reading, self._next = iter(self._source.read()), 1
        item = next(islice(self._reading, number - self._next, None), None)
        self._next = number + 1
        values = item.values if isinstance(item, Entry) else {}
        column = self._image or _first_image(values)
        return _bytes_of(values.get(column) if column else None, self.path, number)

    def close(self) -> None:
        """Release the file."""
        self._reading = None


def _holds_bytes(kind: pl.DataType) -> bool:
    """Whether a column may hold images themselves."""
    if isinstance(kind, pl.List):
        return _holds_bytes(kind.inner)  # type: ignore[arg-type]
    if isinstance(kind, pl.Struct):
        return any(each.name == "bytes" and each.dtype == pl.Binary for each in kind.fields)
    return kind == pl.Binary


def _chosen(columns: tuple[str, ...], stated: str, holding: list[str], path: Path) -> str | None:
    """The column of images: the one stated, else one that holds them, else one of a usual name."""
    known = {normalise(name): name for name in columns}
    if stated:
        if normalise(stated) not in known:
            found = ", ".join(list(columns)[:20]) or "none"
            raise DataError(f"{path}: no column {stated!r} (image={stated}); found: {found}")
        return known[normalise(stated)]
    usual = [known[name] for name in IMAGE_COLUMNS if name in known]
    return next((name for name in usual if name in holding), None) or next(
        iter(holding or usual), None
    )


def _first_image(values: Mapping[str, object]) -> str | None:
    known = {normalise(name): name for name in values}
    return next((known[name] for name in IMAGE_COLUMNS if name in known), None)


def _is_inline(value: object) -> bool:
    data, name, _ = split_image(value)
    if data is not None:
        return True
    return name is not None and len(name) > 64 and _inline(name) is not None


def _inline(name: str) -> bytes | None:
    try:
        return inline_image(name)
    except ImageError:
        return b""


def _paths(values: Mapping[str, object], column: str | None) -> tuple[str, ...]:
    _, name, _ = split_image(values.get(column)) if column else (None, None, [])
    return (name,) if name else ()


def _bytes_of(value: object, path: Path, number: int) -> bytes:
    data, name, _ = split_image(value)
    if data is None and name is not None:
        data = _inline(name)
    if not data:
        raise DataError(f"{path}: row {number} holds no image")
    if len(data) > MAX_BYTES:
        raise DataError(f"{path}: row {number}: its image is too large")
    return data


def _with_names(
    values: Mapping[str, object], classes: Mapping[str, list[str]]
) -> Mapping[str, object]:
    """Names in place of the numbers of Hugging Face class labels."""
    changed = dict(values)
    for column, names in classes.items():
        number = values.get(column)
        if isinstance(number, int) and 0 <= number < len(names):
            changed[column] = names[number]
    return changed
