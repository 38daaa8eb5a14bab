"""The tables of a list's samples in slices of the list, each of their rows read once.

The list is not in the order of the tables: whoever reads it a slice at a time from the tables
themselves reads all of them for each slice.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import polars as pl

from vlsu.report.kinds import CodeArray
from vlsu.report.sample_tables import SampleTables
from vlsu.runs.asking.parted import PartedRows

__all__ = ["SlicedTables", "Slices"]

#: Rows held while they are split.
_HELD = 30_000


class Slices:
    """A list of samples, cut into slices of equal length; the last may be shorter.

    Args:
        ids: Their identifiers.
        size: Samples of a slice.

    Attributes:
        ids: Of each slice.
    """

    def __init__(self, ids: pl.Series, size: int) -> None:
        self.ids = [ids.slice(start, size) for start in range(0, len(ids), size)]
        hashes = _hashes(ids)
        order = np.argsort(hashes)
        self._hashes = hashes[order]
        self._slices = (order // size).astype(np.uint16)

    def of(self, column: str) -> pl.Expr:
        """The slice of each row, by its sample; null where the list has not the sample."""
        return pl.col(column).map_batches(self._of, return_dtype=pl.UInt16, is_elementwise=True)

    def _of(self, ids: pl.Series) -> pl.Series:
        hashes = _hashes(ids)
        at = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        found = pl.Series(self._slices[at])
        return found.set(pl.Series(self._hashes[at] != hashes), None)


def _hashes(ids: pl.Series) -> CodeArray:
    return ids.hash().to_numpy()


class SlicedTables:
    """The tables of a run in slices; they lie in temporary files without a name.

    Args:
        tables: The whole of them.
        slices: Of a list of samples.
        folder: Where the files lie.

    Raises:
        RunError: The folder is full or cannot be written.
    """

    def __init__(self, tables: SampleTables, slices: Slices, folder: Path) -> None:
        with ExitStack() as files:

            def parted(frame: pl.LazyFrame, sample: str) -> PartedRows:
                rows = PartedRows(
                    frame,
                    slices.of(sample),
                    len(slices.ids),
                    folder=folder,
                    held=_HELD,
                    at_places=True,
                )
                return files.enter_context(rows)

            def parted_if_any(frame: pl.LazyFrame | None, sample: str) -> PartedRows | None:
                return None if frame is None else parted(frame, sample)

            self._judgments = parted(tables.judgments, "sample_id")
            self._reruns = parted_if_any(tables.reruns, "sample_id")
            self._content = parted_if_any(tables.content, "id")
            self._files = files.pop_all()

    def part(self, number: int) -> SampleTables:
        """The rows of the samples of a slice."""
        reruns, content = self._reruns, self._content
        return SampleTables(
            self._judgments.part(number).lazy(),
            None if reruns is None else reruns.part(number).lazy(),
            None if content is None else content.part(number).lazy(),
        )

    def __enter__(self) -> SlicedTables:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()
