"""The Parquet files of a dataset folder, written frame by frame, and what is counted of them."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from vlsu.data.parquet import literal, scan_parquet
from vlsu.data.rows import COLUMNS, canonical_frame, to_frame

__all__ = ["ROW_GROUP_ROWS", "SHARD_ROWS", "RowTally", "ShardWriter"]

#: Default number of rows per file.
SHARD_ROWS = 100_000
#: A shard is also closed when its texts take this much memory.
SHARD_BYTES = 128 * 1024 * 1024
#: Rows of a row group.
ROW_GROUP_ROWS = 10_000

_BUFFER_ROWS = 5_000


class RowTally:
    """Content hash and counts of streamed rows, in 16 bytes per row."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._ids: list[np.ndarray[tuple[int], np.dtype[np.uint64]]] = []
        self._images: list[np.ndarray[tuple[int], np.dtype[np.uint64]]] = []
        self._without_text = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Count the next rows, of a frame with the columns of a dataset."""
        self._hash.update(canonical_frame(frame))
        self._ids.append(frame["id"].hash().to_numpy())
        self._images.append(frame["image_sha256"].drop_nulls().hash().to_numpy())
        self._without_text += frame["text"].null_count()

    def digest(self) -> str:
        """The content hash of the rows so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def counts(self) -> dict[str, int]:
        """The counts of ``dataset.yaml``."""
        samples, with_image = (sum(map(len, each)) for each in (self._ids, self._images))
        return {
            "samples": samples,
            "images": _distinct(self._images),
            "without_image": samples - with_image,
            "without_text": self._without_text,
        }

    def repeated_id(self, files: list[Path]) -> str | None:
        """An identifier that two rows have, if any."""
        if _distinct(self._ids) == sum(map(len, self._ids)):
            return None
        twins = scan_parquet(files).group_by("id").len().filter(pl.col("len") > 1)
        found = twins.sort("id").head(1).collect()
        return None if found.is_empty() else str(found["id"][0])


def _distinct(hashes: list[np.ndarray[tuple[int], np.dtype[np.uint64]]]) -> int:
    return len(np.unique(np.concatenate(hashes))) if hashes else 0


class ShardWriter:
    """Writes Parquet files of bounded size under temporary names.

    Args:
        folder: The dataset folder.
        rows: Maximum rows of a file.

    Attributes:
        temporary: The files so far, in order.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        self._folder = folder
        self._rows = rows
        self._at_once = min(_BUFFER_ROWS, rows)
        self._rest: list[pl.DataFrame] = []
        self._parts: list[pl.DataFrame] = []
        self.temporary: list[Path] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Write the next rows, of a frame with the columns of a dataset."""
        self._rest.append(frame.select(COLUMNS))
        if sum(part.height for part in self._rest) < self._at_once:
            return
        whole = pl.concat(self._rest)
        end = whole.height // self._at_once * self._at_once
        for start in range(0, end, self._at_once):
            self._pack(whole[start : start + self._at_once])
        self._rest = [whole[end:]]

    def flush(self) -> None:
        """Write the remaining rows; a dataset without rows is one empty file."""
        rest = pl.concat([to_frame([]), *self._rest])
        self._parts.append(rest.rechunk())
        if self._parts[0].height or not self.temporary:
            self._write()

    def names(self) -> Iterator[str]:
        """Final names of the files, in the order of `temporary`."""
        total = len(self.temporary)
        if total == 1:
            yield "samples.parquet"
            return
        for number in range(total):
            yield f"samples-{number:05}-of-{total:05}.parquet"

    def discard(self) -> None:
        """Remove the files that are still there under their temporary names."""
        for path in self.temporary:
            with contextlib.suppress(OSError):
                path.unlink()

    def _pack(self, part: pl.DataFrame) -> None:
        self._parts.append(part.rechunk())
        rows = sum(part.height for part in self._parts)
        size = sum(part.estimated_size() for part in self._parts)
        if rows >= self._rows or size >= SHARD_BYTES:
            self._write()

    def _write(self) -> None:
        path = self._folder / f".samples-{len(self.temporary):05}-{os.getpid()}.tmp"
        self.temporary.append(path)
        shard = pl.concat(self._parts)
        self._parts = []
        shard.write_parquet(literal(path), row_group_size=ROW_GROUP_ROWS)
