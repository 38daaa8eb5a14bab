"""A judge compared with human labels: counts, the rates they give, and when it is too weak."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from vlsu.analysis.arrays import IntArray
from vlsu.analysis.stats.intervals import UNDEFINED, Rate, mover, percentiles, wilson
from vlsu.analysis.stats.kappa import chance_agreement, cohen_kappa, kappa_bounds
from vlsu.analysis.table.estimator import THIN
from vlsu.errors import DataError

__all__ = ["WEAKEST", "BinaryCounts", "Calibration", "kappa_rate", "proportion", "too_weak"]

#: A judge is too weak to correct unless the low bound of its Youden's J is above this. Below it the
#: interval still covers the true rate, but is hardly informative
#: (`benchmarks/correction_coverage.py`).
WEAKEST = 0.1


@dataclass(frozen=True, slots=True)
class BinaryCounts:
    """Human labels against a judge's verdicts, where positive means refusal.

    Attributes:
        tp: Refusals the judge called refusals.
        fn: Refusals it did not.
        tn: Other answers it did not call refusals.
        fp: Other answers it called refusals.

    Example:
        >>> counts = BinaryCounts(tp=90, fn=10, tn=190, fp=10)
        >>> print(counts.sensitivity)
        0.900 [0.826, 0.945]
        >>> print(counts.youden)
        0.850 [0.766, 0.900]
    """

    tp: int
    fn: int
    tn: int
    fp: int

    @classmethod
    def from_labels(cls, labels: IntArray, verdicts: IntArray) -> Self:
        """Count labels and verdicts of 0 and 1; shape ``(n,)`` each."""
        tn, fp, fn, tp = np.bincount(labels * 2 + verdicts, minlength=4).tolist()
        return cls(tp=tp, fn=fn, tn=tn, fp=fp)

    @property
    def n(self) -> int:
        """Labelled answers with a verdict."""
        return self.tp + self.fn + self.tn + self.fp

    @property
    def positives(self) -> int:
        """Answers that are refusals."""
        return self.tp + self.fn

    @property
    def negatives(self) -> int:
        """Answers that are not."""
        return self.tn + self.fp

    @property
    def sensitivity(self) -> Rate:
        """Share of refusals the judge finds, with Wilson's interval."""
        return proportion(self.tp, self.positives)

    @property
    def specificity(self) -> Rate:
        """Share of other answers the judge leaves alone, with Wilson's interval."""
        return proportion(self.tn, self.negatives)

    @property
    def precision(self) -> Rate:
        """Share of the judge's refusals that are refusals, with Wilson's interval."""
        return proportion(self.tp, self.tp + self.fp)

    @property
    def f1(self) -> Rate:
        """F1 of refusal, F1 = 2 J / (1 + J) with Wilson's interval of J = TP / (TP + FP + FN)."""
        jaccard = proportion(self.tp, self.tp + self.fp + self.fn)
        if jaccard.value is None or jaccard.low is None or jaccard.high is None:
            return UNDEFINED
        return Rate.within(*(2 * j / (1 + j) for j in (jaccard.value, jaccard.low, jaccard.high)))

    @property
    def youden(self) -> Rate:
        """J = sensitivity + specificity - 1 (Youden 1950), in [-1, 1]; 0 is a coin.

        The interval is Newcombe's (1998) of the difference of sensitivity and false-alarm rate.
        """
        if not self.positives or not self.negatives:
            return UNDEFINED
        alarms = proportion(self.fp, self.negatives)
        bounds = mover(np.array([1.0, -1.0]), (self.sensitivity, alarms), np.eye(2), least=-1.0)
        return Rate.within(self.tp / self.positives - self.fp / self.negatives, *bounds)

    def kappa(self, *, seed: int = 0, replicates: int = 2000) -> Rate:
        """Cohen's kappa of labels and verdicts; see `kappa_rate`."""
        table = np.array([[self.tn, self.fp], [self.fn, self.tp]])
        return kappa_rate(table, seed=seed, replicates=replicates)

    def to_dict(self) -> dict[str, int]:
        """``{"tp", "fn", "tn", "fp"}``."""
        return {"tp": self.tp, "fn": self.fn, "tn": self.tn, "fp": self.fp}

    @classmethod
    def from_dict(cls, tree: object, where: str = "calibration") -> Self:
        """Read what `to_dict` wrote.

        Raises:
            DataError: A count is absent or not a whole number from 0 up; the message names it.
        """
        if not isinstance(tree, Mapping):
            raise DataError(f"{where}: expected tp, fn, tn and fp; run the validation again")
        counts = {}
        for name in ("tp", "fn", "tn", "fp"):
            count = tree.get(name)
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise DataError(
                    f"{where}.{name}: {count!r} is not a count; run the validation again"
                )
            counts[name] = count
        return cls(**counts)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The result of validating one judge against human labels.

    Attributes:
        judge: Fingerprint of the judge; the calibration holds for no other.
        strict: Counts where refusal is meant strictly.
        lenient: Counts where it is meant leniently.
        by_language: Language -> setting (``"strict"``, ``"lenient"``) -> counts.
        by_group: The same by group of the labels.
        missing: Labelled answers on which the judge gave no verdict; they are in no count.
    """

    judge: str
    strict: BinaryCounts
    lenient: BinaryCounts
    by_language: Mapping[str, Mapping[str, BinaryCounts]] = field(default_factory=dict)
    by_group: Mapping[str, Mapping[str, BinaryCounts]] = field(default_factory=dict)
    missing: int = 0

    def counts(self, refusal: str) -> BinaryCounts:
        """The counts of a setting, ``"strict"`` or ``"lenient"``."""
        return {"strict": self.strict, "lenient": self.lenient}[refusal]

    def to_dict(self) -> dict[str, object]:
        """Plain Python, ready for JSON."""
        return {
            "judge": self.judge,
            "strict": self.strict.to_dict(),
            "lenient": self.lenient.to_dict(),
            **{
                name: {
                    part: {setting: counts.to_dict() for setting, counts in settings.items()}
                    for part, settings in parts.items()
                }
                for name, parts in (("by_language", self.by_language), ("by_group", self.by_group))
            },
            "missing": self.missing,
        }

    @classmethod
    def from_dict(cls, tree: object, where: str = "calibration") -> Self:
        """Read what `to_dict` wrote.

        Args:
            tree: The parsed JSON.
            where: The file name, for messages.

        Raises:
            DataError: A part is absent or of the wrong kind; the message names it.
        """
        if not isinstance(tree, Mapping) or not isinstance(judge := tree.get("judge"), str):
            raise DataError(f"{where}: names no judge; run the validation again")
        missing = tree.get("missing", 0)
        if isinstance(missing, bool) or not isinstance(missing, int) or missing < 0:
            raise DataError(
                f"{where}.missing: {missing!r} is not a count; run the validation again"
            )
        return cls(
            judge=judge,
            strict=BinaryCounts.from_dict(tree.get("strict"), f"{where}.strict"),
            lenient=BinaryCounts.from_dict(tree.get("lenient"), f"{where}.lenient"),
            by_language=_parts(tree.get("by_language", {}), f"{where}.by_language"),
            by_group=_parts(tree.get("by_group", {}), f"{where}.by_group"),
            missing=missing,
        )


def too_weak(counts: BinaryCounts) -> str | None:
    """Why the judge is too weak for its rates to be corrected, or `None` if it is not.

    Dividing by J = sensitivity + specificity - 1 asks for a J that is surely not near 0: the low
    bound of its 95% interval must be above `WEAKEST`.

    Example:
        >>> too_weak(BinaryCounts(tp=90, fn=10, tn=190, fp=10)) is None
        True
        >>> too_weak(BinaryCounts(tp=0, fn=0, tn=190, fp=10))
        'the labels hold no refusals: label some'
    """
    for count, what in ((counts.positives, "refusals"), (counts.negatives, "other answers")):
        if not count:
            return f"the labels hold no {what}: label some"
    low = counts.youden.low
    if low is not None and low > WEAKEST:
        return None
    return (
        f"the judge is too weak to correct: sensitivity + specificity - 1 is "
        f"{counts.youden.value:.2f} and may be as low as {low:.2f} by {counts.n} labels "
        f"(above {WEAKEST} is needed); label more answers or take a better judge"
    )


def proportion(hits: int, n: int) -> Rate:
    """Share of hits with Wilson's interval; undefined for n = 0.

    Example:
        >>> print(proportion(18, 20))
        0.900 [0.699, 0.972]
    """
    return Rate.within(hits / n, *wilson(hits / n, n)) if n else UNDEFINED


def kappa_rate(
    table: IntArray, *, size: float | None = None, seed: int = 0, replicates: int = 2000
) -> Rate:
    """Cohen's kappa of a table of pairs, with its interval.

    Percentile bootstrap; with fewer than 20 agreements or disagreements, Wilson's bounds of the
    agreement with chance agreement taken as fixed (Cohen 1960), as the bootstrap is then too short.

    Args:
        table: First rater's class by second rater's class, shape ``(k, k)``; may be empty.
        size: Independent pairs the table is worth, if fewer than it holds.
        seed: Of the bootstrap.
        replicates: Bootstrap replicates.

    Example:
        >>> print(kappa_rate(np.array([[20, 5], [10, 15]])))
        0.400 [0.125, 0.618]
    """
    n = int(table.sum())
    value = float(cohen_kappa(table))
    if np.isnan(value):
        return UNDEFINED
    size = n if size is None else size
    agreed = int(np.trace(table)) / n
    if min(agreed, 1 - agreed) * size >= THIN:
        rng = np.random.default_rng([seed, zlib.crc32(b"kappa")])
        drawn = rng.multinomial(round(size), table.ravel() / n, size=replicates)
        bounds = percentiles(cohen_kappa(drawn.reshape(-1, *table.shape)))
        if bounds is not None:
            return Rate.within(value, *bounds)
    low, high = wilson(agreed, size)
    return Rate.within(value, *kappa_bounds(low, high, 1 - float(chance_agreement(table))))


def _parts(tree: object, where: str) -> dict[str, dict[str, BinaryCounts]]:
    if not isinstance(tree, Mapping):
        raise DataError(f"{where}: expected counts by name; run the validation again")
    parts: dict[str, dict[str, BinaryCounts]] = {}
    for part, settings in tree.items():
        if not isinstance(settings, Mapping):
            raise DataError(f"{where}.{part}: expected strict and lenient counts")
        parts[str(part)] = {
            setting: BinaryCounts.from_dict(settings.get(setting), f"{where}.{part}.{setting}")
            for setting in ("strict", "lenient")
        }
    return parts
