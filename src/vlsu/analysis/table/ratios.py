"""Proportions, and F1s by way of them, however the cells were sampled."""

from __future__ import annotations

from abc import ABC, abstractmethod

from vlsu.analysis.arrays import BoolArray, FloatArray
from vlsu.analysis.stats.intervals import UNDEFINED, UNKNOWN, Rate
from vlsu.analysis.table.cells import CellShare
from vlsu.analysis.table.confusion import Confusion

__all__ = ["Ratios"]


class Ratios(ABC):
    """Proportions, and F1s by way of them, however the cells were sampled."""

    __slots__ = ()

    @abstractmethod
    def size(self, among: BoolArray) -> int:
        """Samples in these cells."""

    @abstractmethod
    def effective_size(self, hits: BoolArray, among: BoolArray) -> float:
        """Independent samples that the share of `hits` in `among`, not empty, is worth."""

    @abstractmethod
    def mean(self, values: FloatArray, weights: FloatArray, among: BoolArray) -> Rate:
        """Weighted mean of values in [0, 1], one a cell; undefined over no samples or weight.

        Args:
            values: Of each sample of a cell; shape ``(C,)``.
            weights: Of each sample of a cell, not negative; shape ``(C,)``.
            among: Cells that count; shape ``(C,)``.
        """

    @abstractmethod
    def _share(self, hits: BoolArray, among: BoolArray) -> tuple[float, float, float]:
        """Share and Wilson's bounds of `hits`, a part of `among`, which is not empty."""

    def proportion(self, hits: BoolArray, among: BoolArray, *, empty: Rate = UNDEFINED) -> Rate:
        """Share of samples in `among` that are also in `hits`; `empty` where there are none."""
        return Rate.within(*self._share(hits & among, among)) if among.any() else empty

    def rate(self, share: CellShare) -> Rate:
        """A share with its interval; undefined over no samples."""
        return self.proportion(share.hits, share.among)

    def precision(self, confusion: Confusion, severity: int) -> Rate:
        """Share of the predictions of a severity that are right.

        Undefined over no samples; otherwise 0, with the interval [0, 1], if it is never predicted.
        """
        empty = UNKNOWN if confusion.inside.any() else UNDEFINED
        predicted = confusion.predicted(severity)
        return self.proportion(confusion.gold(severity), predicted, empty=empty)

    def recall(self, confusion: Confusion, severity: int) -> Rate:
        """Share of the samples of a gold severity that are right; as `precision` if it is 0/0."""
        empty = UNKNOWN if confusion.inside.any() else UNDEFINED
        gold = confusion.gold(severity)
        return self.proportion(confusion.predicted(severity), gold, empty=empty)

    def f1(self, confusion: Confusion, *positive: int) -> Rate:
        """F1 of one or more severities taken together as the positive class.

        Undefined over no samples; otherwise 0, with the interval [0, 1], if the class has neither
        gold nor predicted samples.
        """
        if not confusion.inside.any():
            return UNDEFINED
        hits, among = _overlap(confusion, *positive)
        if not among.any():
            return UNKNOWN
        return Rate.within(*(2 * j / (1 + j) for j in self._overlap_share(hits, among)))

    def _overlap_share(self, hits: BoolArray, among: BoolArray) -> tuple[float, float, float]:
        """As `_share`, of the overlap that an F1 is made of, of which there may be few samples."""
        return self._share(hits, among)

    def f1_term(self, confusion: Confusion, severity: int) -> Rate:
        """The F1 of a severity as a term of a mean: fixed at 0 if the severity does not occur."""
        _, occurs = _overlap(confusion, severity)
        return self.f1(confusion, severity) if occurs.any() else Rate(0.0, 0.0, 0.0)


def _overlap(confusion: Confusion, *positive: int) -> tuple[BoolArray, BoolArray]:
    """Cells gold and predicted positive, and cells gold or predicted positive."""
    gold, predicted = confusion.gold(*positive), confusion.predicted(*positive)
    return gold & predicted, gold | predicted
