"""Parquet and Arrow files as sources, read in batches of bounded size."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson
import polars as pl

from vlsu._files import open_binary
from vlsu.data.parquet import literal, reading, scan_parquet
from vlsu.data.sources.base import Entry, Source, SourceItem
from vlsu.errors import DataError

__all__ = ["arrow_source", "class_names", "parquet_source"]

#: Rows of a batch at most, and the size it aims at; a row with an image may take megabytes.
_MAX_ROWS, _BATCH_BYTES = 8192, 16 * 2**20
_REMEDY = "download or write the file again"

#: Column -> names of its classes.
_Classes = Mapping[str, list[str]]


def parquet_source(path: Path) -> Source:
    """Open a Parquet file; numbers of Hugging Face class labels become their names.

    Raises:
        DataError: It is damaged.
    """
    with _readable(path):
        frame = scan_parquet(path)
        columns = tuple(frame.collect_schema())
        rows = frame.select(pl.len()).collect().item()
        metadata = pl.read_parquet_metadata(literal(path)).get("huggingface", "{}")
    size = path.stat().st_size
    batch = max(1, min(_MAX_ROWS, _BATCH_BYTES * max(rows, 1) // max(size, 1)))
    classes = class_names(metadata)

    def read() -> Iterator[SourceItem]:
        with _readable(path):
            number = 0
            for part in scan_parquet(path).collect_batches(chunk_size=batch, maintain_order=True):
                for values in part.iter_rows(named=True):
                    number += 1
                    yield Entry(number, _named(values, classes))

    return Source(path, "a Parquet file", columns, read)


def arrow_source(path: Path, *, stream: bool, classes: _Classes | None = None) -> Source:
    """Open an Arrow file or stream, as `datasets` saves them; it is read into memory.

    Args:
        path: The file.
        stream: Whether it is in the streaming format.
        classes: Names of the classes of columns that hold their numbers.

    Raises:
        DataError: It is damaged.
    """

    def frame() -> pl.DataFrame:
        with _readable(path), open_binary(path) as file:
            return pl.read_ipc_stream(file) if stream else pl.read_ipc(file)

    def read() -> Iterator[SourceItem]:
        for number, values in enumerate(frame().iter_rows(named=True), 1):
            yield Entry(number, _named(values, classes or {}))

    _require_sound(path, stream)
    with _readable(path), open_binary(path) as file:
        head = pl.read_ipc_stream(file, n_rows=1) if stream else pl.read_ipc(file, n_rows=1)
    return Source(path, "an Arrow file", tuple(head.columns), read)


def class_names(metadata: str) -> dict[str, list[str]]:
    """Column -> names of its classes, of the metadata that Hugging Face `datasets` writes.

    Args:
        metadata: JSON with ``features``, at its top or below ``info``.
    """
    try:
        tree = orjson.loads(metadata)
        features = (tree.get("info") or tree).get("features") or {}
        return {
            str(name): [str(each) for each in feature["names"]]
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        return {}


def _named(values: dict[str, object], classes: _Classes) -> dict[str, object]:
    for column, names in classes.items():
        number = values.get(column)
        if isinstance(number, int) and 0 <= number < len(names):
            values[column] = names[number]
    return values


def _require_sound(path: Path, stream: bool) -> None:
    """Read an Arrow file in a process of its own: a damaged one may abort the process.

    Raises:
        DataError: It is damaged.
    """
    read = "read_ipc_stream" if stream else "read_ipc"
    code = f"import sys, polars; polars.{read}(open(sys.argv[1], 'rb'))"
    command = [sys.executable, "-c", code, str(path.absolute())]
    if sys.executable and subprocess.run(command, capture_output=True).returncode:  # noqa: S603
        raise DataError(f"{path}: damaged; {_REMEDY}")


class _readable:  # noqa: N801 (a context manager, used like a function)
    """Context in which every error of Polars becomes a `DataError` of one line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._context = reading(path, _REMEDY)

    def __enter__(self) -> None:
        self._context.__enter__()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, pl.exceptions.PolarsError) and not isinstance(
            error, pl.exceptions.ComputeError
        ):
            raise DataError(f"{self._path}: damaged; {_REMEDY}") from None
        self._context.__exit__(type(error) if error else None, error, None)
