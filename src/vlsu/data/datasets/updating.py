"""Changing rows of a dataset where it is: what is neither added nor removed keeps its place."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import polars as pl

from vlsu._yaml import write_yaml
from vlsu.data.datasets.dataset import DATASET_FILE, FORMAT, IMPORT_FILE, Dataset, open_folder
from vlsu.data.datasets.shards import ROW_GROUP_ROWS, RowTally
from vlsu.data.datasets.writer import refresh_readme, sync_file, write_text_file
from vlsu.data.parquet import literal, reading, scan_parquet
from vlsu.data.rows import COLUMNS, Row, to_frame
from vlsu.errors import DataError

__all__ = ["update_rows"]

_BATCH = 8192
#: Bytes of the report of an import among which its content hash is.
_HEAD = 2**16


def update_rows(dataset: Dataset, change: Callable[[int, Row], Row]) -> Dataset:
    """Replace rows of a dataset, one file at a time; identifiers and their order must stay.

    A start that is killed on the way leaves every file whole, and a dataset that opens: some rows
    changed, others not, and the content hash of before. The same change once more completes it.
    Memory stays within one file.

    Args:
        dataset: The dataset.
        change: From the number of a row, from 0, and the row, to the row that takes its place.

    Raises:
        DataError: A file cannot be read or written.
    """
    folder, info = dataset.path, dataset.info
    tally = RowTally()
    changed: list[tuple[Path, Path]] = []
    number = 0
    try:
        for index, name in enumerate(info.files):
            parts, differs = [], False
            for rows in _batches(folder / name):
                new = [change(number + n, row) for n, row in enumerate(rows)]
                number += len(rows)
                differs = differs or new != rows
                parts.append(to_frame(new))
                tally.add(parts[-1])
            if differs:
                temporary = folder / f".samples-{index:05}-{os.getpid()}.tmp"
                changed.append((temporary, folder / name))
                pl.concat(parts).write_parquet(literal(temporary), row_group_size=ROW_GROUP_ROWS)
                sync_file(temporary)
        after = replace(info, counts=tally.counts(), content_hash=tally.digest())
        if after == info and not changed:
            return dataset
        for temporary, file in changed:
            temporary.replace(file)
        refresh_readme(folder, info, after)
        tree = {"format": FORMAT, **asdict(after), "files": list(after.files)}
        write_text_file(folder / DATASET_FILE, write_yaml(tree, width=100))
        _update_import(folder, info.content_hash, after.content_hash)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written ({error.strerror}); free space, and run the same "
            "command again"
        ) from None
    finally:
        for temporary, _ in changed:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    return open_folder(folder)


def _update_import(folder: Path, before: str, after: str) -> None:
    """Have the report of the import, which may be long, state the content hash there is now."""
    file = folder / IMPORT_FILE
    temporary = file.with_name(f".{file.name}-{os.getpid()}.tmp")
    try:
        with file.open("rb") as old, temporary.open("wb") as new:
            head = old.read(_HEAD)
            stated = f'"content_hash": "{before}"'.encode()
            if stated not in head:
                return
            new.write(head.replace(stated, f'"content_hash": "{after}"'.encode(), 1))
            shutil.copyfileobj(old, new)
        temporary.replace(file)
    except FileNotFoundError:
        return  # not made by an import
    finally:
        temporary.unlink(missing_ok=True)


def _batches(file: Path) -> Iterator[list[Row]]:
    with reading(file, "write the dataset again"):
        frame = scan_parquet(file).select(COLUMNS)
        start = 0
        while True:
            rows = frame.slice(start, _BATCH).collect().rows()
            yield rows
            if len(rows) < _BATCH:
                return
            start += _BATCH
