"""Rows split into parts, in two passes over them however many parts there are."""

from __future__ import annotations

import tempfile
from itertools import pairwise
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
        part: An expression: the part of a row, from 0.
        parts: How many parts there are.

    Raises:
        RunError: The temporary folder is full or cannot be written.
    """

    def __init__(self, frame: pl.LazyFrame, part: pl.Expr, parts: int) -> None:
        self._schema = frame.collect_schema()
        #: Of each part, where its blocks begin and end in the file.
        self._blocks: list[list[tuple[int, int]]] = [[] for _ in range(parts)]
        numbered = frame.with_columns(part.cast(pl.UInt32()).alias(_PART))
        try:
            # Written by its name once only: never read by another.
            self._file: IO[bytes] = tempfile.TemporaryFile(prefix="vlsu-samples-")  # noqa: SIM115
        except OSError as error:
            raise _unwritable(error) from None
        try:
            for rows in numbered.collect_batches(chunk_size=_HELD, maintain_order=True):
                self._add(rows)
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
                raise _unwritable(error) from None
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


def _unwritable(error: Exception) -> RunError:
    why = " ".join(str(error).split())[:200]
    return RunError(
        f"{tempfile.gettempdir()}: samples cannot be sorted there ({why}); "
        "free space, or set TMPDIR to another folder"
    )
