"""Chance-corrected agreement from sums of votes, over any leading replicate axes.

Every coefficient is 1 - D / E: the disagreement observed over the disagreement expected by chance.
Both are sums over units (an item, or one modality of it), so a bootstrap replicate is a weighted
sum of what few distinct units there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray

__all__ = [
    "Ratio",
    "Votes",
    "Weights",
    "alpha",
    "alpha_distances",
    "cohen",
    "disagreement",
    "fleiss",
    "gwet",
    "mean_disagreement",
]

Weights = Literal["nominal", "linear", "quadratic", "ordinal"]


@dataclass(frozen=True, slots=True)
class Ratio:
    """Observed and expected disagreement, shape ``(...)``; the unit of both is free."""

    observed: FloatArray
    expected: FloatArray

    @property
    def coefficient(self) -> FloatArray:
        """1 - observed / expected; NaN where no disagreement is expected: one label only."""
        ratio = np.full(np.shape(self.expected), np.nan)
        np.divide(self.observed, self.expected, out=ratio, where=self.expected > 0)
        return 1 - ratio


@dataclass(frozen=True, slots=True)
class Votes:
    """Sums over units of shares and pairs of their grades; k labels.

    Attributes:
        shares: Of each label among a unit's grades; shape ``(..., k)``.
        pairs: Of each two labels among a unit's ordered pairs of grades; shape ``(..., k, k)``,
            symmetric, units with one grade left out.
        coincidences: The same, each unit as often as it has grades: Krippendorff's matrix.

    Example:
        Four units of three grades each, with two labels:

        >>> counts = np.array([[3, 0], [2, 1], [0, 3], [3, 0]])
        >>> votes = Votes.from_features(Votes.features(counts).sum(axis=0), labels=2)
        >>> float(fleiss(votes, disagreement(2, "nominal")).coefficient)
        0.625
    """

    shares: FloatArray
    pairs: FloatArray
    coincidences: FloatArray

    @classmethod
    def width(cls, labels: int) -> int:
        """Numbers a unit adds: the last axis of `features`."""
        return labels * (2 * labels + 1)

    @classmethod
    def features(cls, counts: IntArray) -> FloatArray:
        """What each unit adds, shape ``(U, width)``.

        Args:
            counts: Grades by label of each unit; at least one grade each; shape ``(U, k)``.
        """
        units, k = counts.shape
        grades = counts.sum(axis=1)[:, None, None]
        ordered = (counts[:, :, None] * counts[:, None, :]).astype(np.float64)
        ordered[:, np.arange(k), np.arange(k)] -= counts
        coincidences = ordered / np.maximum(grades - 1, 1)
        parts = (counts / grades[:, 0], coincidences / grades, coincidences)
        # Their widths, as -1 cannot be told where there are no units.
        flat = [part.reshape(units, k ** (part.ndim - 1)) for part in parts]
        return np.concatenate(flat, axis=1)

    @classmethod
    def from_features(cls, sums: FloatArray, labels: int) -> Self:
        """From sums of `features`; shape ``(..., width)``."""
        square = (*sums.shape[:-1], labels, labels)
        shares, pairs, coincidences = np.split(sums, [labels, labels + labels**2], axis=-1)
        return cls(shares, pairs.reshape(square), coincidences.reshape(square))

    @classmethod
    def from_table(cls, table: FloatArray | IntArray) -> Self:
        """Of two graders, from first label by second label; shape ``(..., k, k)``."""
        both = np.asarray(table + np.swapaxes(table, -1, -2), dtype=np.float64)
        return cls(both.sum(axis=-1) / 2, both / 2, both)


def disagreement(labels: int, weights: Weights) -> FloatArray:
    """How far two labels disagree, from 0 for the same to 1; shape ``(k, k)``.

    Args:
        labels: k.
        weights: ``"nominal"``: 1 for any two; ``"linear"``, ``"quadratic"``: by their steps apart
            in the order, |i - j| / (k - 1), or its square (Cohen 1968); ``"ordinal"``: by the pairs
            of labels that lie between them, themselves included, of all pairs (Gwet 2014, ch. 3).

    Example:
        >>> disagreement(3, "quadratic").tolist()
        [[0.0, 0.25, 1.0], [0.25, 0.0, 0.25], [1.0, 0.25, 0.0]]
    """
    if weights == "nominal":
        return 1 - np.eye(labels)
    steps = np.abs(np.subtract.outer(np.arange(labels), np.arange(labels)))
    pairs = steps * (steps + 1) / 2
    farthest = max(labels - 1, 1)
    result: FloatArray = {
        "linear": steps / farthest,
        "quadratic": (steps / farthest) ** 2,
        "ordinal": pairs / (farthest * (farthest + 1) / 2),
    }[weights]
    return result


def fleiss(votes: Votes, weights: FloatArray) -> Ratio:
    """Fleiss' (1971) kappa, for any number of grades a unit.

    Units have equal weight: agreement over those with two grades or more, chance from the mean
    shares of labels over all (Gwet 2014, ch. 2 and 3, which is Fleiss' where all units have as many
    grades).

    Example:
        >>> votes = Votes.from_table(np.array([[20, 5], [10, 15]]))
        >>> round(float(fleiss(votes, disagreement(2, "nominal")).coefficient), 3)
        0.394
    """
    shares = votes.shares / votes.shares.sum(axis=-1, keepdims=True)
    expected = np.einsum("kl,...k,...l->...", weights, shares, shares)
    return Ratio(mean_disagreement(votes, weights), expected)


def gwet(votes: Votes, weights: FloatArray) -> Ratio:
    """Gwet's AC1 (nominal weights) and AC2 (Gwet 2008; 2014, ch. 3 and 5).

    Chance is what graders agree on who guess some of the grades, so that it stays small where
    nearly all grades are the same.

    Example:
        >>> votes = Votes.from_table(np.array([[45, 3], [2, 0]]))
        >>> round(float(gwet(votes, disagreement(2, "nominal")).coefficient), 3)
        0.89
    """
    k = weights.shape[-1]
    shares = votes.shares / votes.shares.sum(axis=-1, keepdims=True)
    spread = (shares * (1 - shares)).sum(axis=-1)
    chance = (k * k - weights.sum()) / (k * (k - 1)) * spread if k > 1 else np.ones(spread.shape)
    return Ratio(mean_disagreement(votes, weights), 1 - chance)


def alpha(votes: Votes, *, ordinal: bool) -> Ratio:
    """Krippendorff's alpha, nominal or ordinal (Krippendorff 2011; 2018, ch. 12).

    Example:
        >>> votes = Votes.from_table(np.array([[20, 5], [10, 15]]))
        >>> round(float(alpha(votes, ordinal=False).coefficient), 3)
        0.4
    """
    coincidences = votes.coincidences
    margins = coincidences.sum(axis=-1)
    n = margins.sum(axis=-1)
    squares = alpha_distances(margins, ordinal=ordinal)
    n = np.maximum(n, 2)  # Without a pair both sums are 0, and alpha is undefined.
    observed = (coincidences * squares).sum(axis=(-2, -1)) / n
    expected = np.einsum("...kl,...k,...l->...", squares, margins, margins)
    return Ratio(observed, expected / (n * (n - 1)))


def alpha_distances(margins: FloatArray, *, ordinal: bool) -> FloatArray:
    """Krippendorff's squared distances of labels, shape ``(..., k, k)``; the largest is 1.

    Nominal: 1 for any two. Ordinal: the square of the grades that lie between the middles of the
    two labels. The scale is free, as alpha divides one sum of distances by another.

    Args:
        margins: Pairable grades by label, shape ``(..., k)``.
        ordinal: Whether the order counts.
    """
    if not ordinal:
        return 1 - np.eye(margins.shape[-1])
    middle = np.cumsum(margins, axis=-1) - margins / 2
    widest = (middle[..., -1] - middle[..., 0])[..., None, None]
    apart = np.abs(middle[..., :, None] - middle[..., None, :])
    squares: FloatArray = (apart / np.where(widest > 0, widest, 1)) ** 2
    return squares


def cohen(table: FloatArray | IntArray, weights: FloatArray) -> Ratio:
    """Cohen's kappa (1960; weighted: 1968) of two graders.

    Args:
        table: First grader's label by second grader's, shape ``(..., k, k)``.
        weights: Disagreement of two labels, shape ``(k, k)``.

    Example:
        >>> table = np.array([[20, 5], [10, 15]])
        >>> round(float(cohen(table, disagreement(2, "nominal")).coefficient), 3)
        0.4
    """
    n = np.maximum(table.sum(axis=(-2, -1)), 1)
    first, second = table.sum(axis=-1), table.sum(axis=-2)
    expected = np.einsum("kl,...k,...l->...", weights, first, second) / n
    return Ratio((table * weights).sum(axis=(-2, -1)).astype(np.float64), expected)


def mean_disagreement(votes: Votes, weights: FloatArray) -> FloatArray:
    """Mean disagreement over the units with two grades or more; NaN without any."""
    units = votes.pairs.sum(axis=(-2, -1))
    mean = np.full(units.shape, np.nan)
    np.divide((votes.pairs * weights).sum(axis=(-2, -1)), units, out=mean, where=units > 0)
    return mean
