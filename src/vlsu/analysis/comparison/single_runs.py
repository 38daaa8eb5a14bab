"""Estimates of single runs that are compared in pairs: each is worked out once.

A run stands in several pairs, each with a table of its own, and several metrics are over the same
samples. What is estimated depends on the samples that count and hit alone, so that these, as cells
of the table of all runs, tell whether it is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from vlsu.analysis.arrays import BoolArray, IntArray
from vlsu.analysis.stats.effective_size import Dependence
from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.confusion import Confusion
from vlsu.analysis.table.estimator import Estimator

__all__ = ["Known", "SingleRun"]

T = TypeVar("T")

_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of some samples, for all tables that one table's cells are merged into.

    Attributes:
        place: Of each cell of the one table its cell here, shape ``(C,)``; `None` if this is it.
        found: What is known, for all of these tables and one seed.
    """

    place: IntArray | None = None
    found: dict[tuple[Hashable, ...], Any] = field(default_factory=dict)

    def at(self, place: IntArray | None) -> Known:
        """The same for another of the tables."""
        return Known(place, self.found)

    def once(self, find: Callable[[], T], what: Hashable, *columns: BoolArray | IntArray) -> T:
        """What `find` returns, which is called if it is not known.

        Args:
            find: Works it out.
            what: Tells it from other things that are known of the same samples.
            columns: The samples: a small number, or whether it counts, of each cell here.
        """
        key = (what, *map(self._samples, columns))
        if key not in self.found:
            self.found[key] = find()
        known: T = self.found[key]
        return known

    def _samples(self, column: BoolArray | IntArray) -> bytes:
        narrow = column.astype(np.int8)
        each = narrow if self.place is None else narrow[self.place]
        return hashlib.blake2b(each.tobytes(), digest_size=_DIGEST_BYTES).digest()


@dataclass(frozen=True, slots=True)
class SingleRun(Estimator):
    """An `Estimator` of one of the runs.

    Attributes:
        known: What is known of all of them.
    """

    known: Known = field(kw_only=True)

    def dependence(self, hits: BoolArray, among: BoolArray) -> Dependence | None:
        """As of `Estimator`."""
        if self.resampler.cells.groups is None:
            return None
        return self.known.once(
            lambda: Estimator.dependence(self, hits, among), "share", hits & among, among
        )

    def mean_f1(self, confusion: Confusion, prefix: str, *means: str) -> dict[str, Rate]:
        """As of `Estimator`."""
        what = ("mean F1", self.level, prefix, means)
        found = self.known.once(
            lambda: Estimator.mean_f1(self, confusion, prefix, *means), what, confusion.column
        )
        return dict(found)
