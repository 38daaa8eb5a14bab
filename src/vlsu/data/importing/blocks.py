"""Blocks of imported rows, which wait in a file until all rows of the source are read."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

import numpy as np
import orjson
import polars as pl

from vlsu.data.importers import Note, SourceRows
from vlsu.data.rows import COLUMNS, Row, to_frame

__all__ = ["LINE", "Block", "Spool", "StoredRow"]

#: Column of the number of each row's first line in the source.
LINE = "line"
_PLACE = "place"


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row of the dataset, its line in the source, and notes on it."""

    line: int
    row: Row
    notes: Sequence[Note]


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of a dataset in order.

    Attributes:
        frame: The columns of a dataset, and `LINE`.
        notes: Notes, and the rows of `frame` that each is on, in the order in which those of one
            row were made.
    """

    frame: pl.DataFrame
    notes: Sequence[tuple[Note, Sequence[int]]]

    @classmethod
    def of(cls, rows: Sequence[StoredRow]) -> Block:
        """A block of single rows."""
        lines = pl.Series(LINE, [each.line for each in rows], dtype=pl.Int64)
        frame = to_frame([each.row for each in rows]).with_columns(lines)
        return cls(frame, [(note, [n]) for n, each in enumerate(rows) for note in each.notes])

    @classmethod
    def merged(cls, rows: SourceRows, others: Sequence[tuple[int, StoredRow]]) -> Block:
        """A block of rows that came together and of single ones, each at its place."""
        sha256 = pl.lit(None, dtype=pl.String).alias("image_sha256")
        frame = rows.frame.with_columns(sha256).select(*COLUMNS, LINE, _PLACE)
        if not others:
            return cls(frame.drop(_PLACE), rows.notes)
        single = cls.of([each for _, each in others])
        places = pl.Series(_PLACE, [place for place, _ in others], dtype=pl.Int64)
        both = pl.concat([frame, single.frame.with_columns(places)]).sort(_PLACE)
        ordered = both[_PLACE].to_numpy()
        notes = []
        for part, noted in ((frame[_PLACE], rows.notes), (places, single.notes)):
            moved = np.searchsorted(ordered, part.to_numpy())
            notes += [(note, moved[np.asarray(at, dtype=np.int64)].tolist()) for note, at in noted]
        return cls(both.drop(_PLACE), notes)


class Spool:
    """Blocks in a file, in the order in which they were added.

    Args:
        file: An empty file, which is not closed.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def add(self, block: Block) -> None:
        """Write a block.

        Raises:
            OSError: It cannot be written.
        """
        rows = io.BytesIO()
        block.frame.write_ipc_stream(rows)
        for part in (orjson.dumps(block.notes), rows.getbuffer()):
            self._file.write(len(part).to_bytes(8))
            self._file.write(part)

    def __iter__(self) -> Iterator[Block]:
        self._file.seek(0)
        while size := self._file.read(8):
            noted = orjson.loads(self._file.read(int.from_bytes(size)))
            rows = self._file.read(int.from_bytes(self._file.read(8)))
            yield Block(pl.read_ipc_stream(rows), [(Note(**note), at) for note, at in noted])
