"""Tables of two runs' predictions by gold grade: their confusions, and those of swapped runs."""

from __future__ import annotations

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.analysis.table.resampling import Resampler

__all__ = ["confusions", "swapped", "two_samples"]

#: Gold * 16 + first's prediction * 4 + second's, and where that is when the runs are swapped.
_TABLE = np.arange(48).reshape(3, 4, 4)
_MIRROR: IntArray = _TABLE.swapaxes(1, 2).reshape(-1)

#: Adds such a table up to the confusions of the first run and of the second; shape ``(48, 24)``.
_SIDES: FloatArray = np.concatenate(
    [
        np.repeat(np.eye(12), 4, axis=0),
        np.repeat(np.eye(12).reshape(3, 4, 12), 4, axis=0).reshape(48, 12),
    ],
    axis=1,
)


def confusions(tables: FloatArray | IntArray) -> tuple[FloatArray, FloatArray]:
    """The two runs' confusions, each ``(..., 3, 4)``, of tables ``(48,)`` or ``(g, 48)``."""
    both = _SIDES.T @ tables.T
    return _laid_out(both[:12]), _laid_out(both[12:])


def swapped(
    resampler: Resampler, column: IntArray, times: int, name: str
) -> tuple[FloatArray, FloatArray]:
    """The two runs' confusions, each ``(times, 3, 4)``, of runs swapped in each unit by a coin."""
    first, second = confusions(resampler.count(column, 48))
    mine = _laid_out(resampler.swap(column, _SIDES[:, :12], _MIRROR, times, name).T)
    return mine, first + second - mine


def _laid_out(entries: FloatArray) -> FloatArray:
    """Confusions ``(..., 3, 4)`` of their entries ``(12, ...)``.

    In memory an entry's values in all tables stay side by side: NumPy is slow along the few
    entries of each of thousands of tables.
    """
    tables = np.ascontiguousarray(entries).reshape(3, 4, *entries.shape[1:])
    return np.moveaxis(tables, (0, 1), (-2, -1))


def two_samples(occurs: BoolArray) -> FloatArray:
    """What is added to a table on average, ``(48,)``: a sample that each run alone has right.

    Args:
        occurs: Gold grades to spread them over, shape ``(3,)``.
    """
    table = np.zeros((3, 4, 4))
    for gold in np.flatnonzero(occurs):
        wrong = np.arange(4) != gold
        table[gold, gold, wrong] = table[gold, wrong, gold] = 1 / (3 * occurs.sum())
    return table.reshape(48)
