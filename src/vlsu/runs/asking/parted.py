"""Rows split into parts, in two passes over them however many parts there are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import IO

import polars as pl

from vlsu.errors import RunError

__all__ = ["PartedRows"]

#: Rows held while they are split.
_HELD = 20_000
_PART = "\0part"


class PartedRows:
    """Rows by the number of their part, each part in the rows' order.

    They lie in a temporary file without a name, which is gone however the process ends.

    Args:
        frame: The rows.
        part: An expression: the part of a row, from 0; rows without one are left out.
        parts: How many parts there are.
        folder: Where that file lies; in the temporary folder by default.
        held: Rows held while they are split.
        at_places: Whether rows are looked up by their places, of files that allow it: nothing is
            read ahead of what is written.

    Raises:
        RunError: The folder is full or cannot be written.
    """

    def __init__(
        self,
        frame: pl.LazyFrame,
        part: pl.Expr,
        parts: int,
        *,
        folder: Path | None = None,
        held: int = _HELD,
        at_places: bool = False,
    ) -> None:
        self._schema = frame.collect_schema()
        #: Of each part, where its blocks begin and end in the file.
        self._blocks: list[list[tuple[int, int]]] = [[] for _ in range(parts)]
        number = part.cast(pl.UInt32()).alias(_PART)
        self._folder = folder
        try:
            # Written by its name once only: never read by another.
            self._file: IO[bytes] = tempfile.TemporaryFile(prefix="vlsu-samples-", dir=folder)  # noqa: SIM115
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            batches = _at_places(frame, held) if at_places else _in_order(frame, held)
            for rows in batches:
                self._add(rows.with_columns(number).drop_nulls(_PART))
        except BaseException:
            self._file.close()
            raise

    def _add(self, rows: pl.DataFrame) -> None:
        together = rows.sort(_PART, maintain_order=True)
        numbers = together.get_column(_PART)
        starts = [0, *(numbers != numbers.shift(1)).fill_null(value=False).arg_true(), len(numbers)]
        whole = together.drop(_PART)
        for start, end in pairwise(starts):
            if start == end:
                continue
            begin = self._file.tell()
            try:
                whole.slice(start, end - start).write_ipc_stream(self._file, compression="lz4")
                self._file.flush()
            except (OSError, pl.exceptions.ComputeError) as error:
                raise self._unwritable(error) from None
            self._blocks[numbers[start]].append((begin, self._file.tell()))

    def part(self, number: int) -> pl.DataFrame:
        """The rows of a part."""
        blocks = []
        for begin, end in self._blocks[number]:
            self._file.seek(begin)
            blocks.append(pl.read_ipc_stream(self._file.read(end - begin)))
        return pl.concat(blocks) if blocks else self._schema.to_frame()

    def __enter__(self) -> PartedRows:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def _unwritable(self, error: Exception) -> RunError:
        why = " ".join(str(error).split())[:200]
        remedy = "free space"
        if self._folder is None:
            remedy += ", or set TMPDIR to another folder"
        folder = self._folder or tempfile.gettempdir()
        return RunError(f"{folder}: samples cannot be sorted there ({why}); {remedy}")


def _in_order(frame: pl.LazyFrame, held: int) -> Iterator[pl.DataFrame]:
    return frame.collect_batches(chunk_size=held, maintain_order=True)


def _at_places(frame: pl.LazyFrame, held: int) -> Iterator[pl.DataFrame]:
    rows = int(frame.select(pl.len()).collect().item())
    for start in range(0, rows, held):
        yield frame.slice(start, held).collect(engine="streaming")
