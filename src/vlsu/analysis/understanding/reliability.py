"""Calibration of probabilities: reliability bins and the expected calibration error.

Within a bin, the gap is the mean p less the observed share of unsafe. The expected calibration
error (Naeini et al. 2015; Guo et al. 2017) is the mean of the bins' absolute gaps by size. Chance
alone makes gaps, and an absolute value adds them up, so the plain sum is biased upwards, most of
all where a model is well calibrated (Roelofs et al. 2022): 15 bins of 200 perfect probabilities
give about 0.07.

- **The value** has the bias taken out, as Kumar et al. (2019) do: an estimated gap is normal about
  the true one, so its absolute value is folded normal (Leone et al. 1961), whose mean exceeds the
  absolute true gap by `folded_excess`, taken at the observed gap. Some bias is left, as an absolute
  value has no unbiased estimate at 0.
- **The interval** leaves that open. The bias of a bin is least if its true gap is large and most if
  it is small; the low bound takes out the most that the bin's own interval allows, the high bound
  the least, and the normal interval of the sum is around these. It holds whatever the true gaps are
  (`benchmarks/diagnosis_coverage.py`), at the price of being wide near 0, where bootstrap intervals
  do not hold the truth at all (Sun et al. 2024, who treat the squared error).

Both are about the error at these bins; gaps of opposite sign within a bin cancel and are not seen
(Kumar et al. 2019).
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.stats.intervals import normal_quantile
from vlsu.analysis.understanding.graded_probabilities import GradedProbabilities

__all__ = [
    "BINS",
    "calibration_error",
    "equal_mass_bins",
    "folded_excess",
    "reliability_bins",
]

Tree = dict[str, object]

#: Bins; fewer where p has few distinct values.
BINS = 15

#: Squared residuals added to those of a bin: no unsafe row in a bin does not prove that
#: its share of unsafe is 0.
_PRIOR = 0.25


def equal_mass_bins(p: FloatArray, bins: int = BINS) -> IntArray:
    """Where bins of about equal size begin, and the end; shape ``(b + 1,)``, b at most `bins`.

    Rows of equal p are in one bin: a cut that would part them goes before the first of them.

    Args:
        p: Ascending, at least one; shape ``(n,)``.
        bins: Bins wanted, at least 1.

    Example:
        >>> equal_mass_bins(np.array([0.1, 0.2, 0.2, 0.2, 0.7, 0.9]), bins=3).tolist()
        [0, 1, 4, 6]
    """
    n = len(p)
    cuts = np.searchsorted(p, p[np.arange(1, bins) * n // bins], side="left")
    return np.unique(np.concatenate([[0], cuts, [n]]))


def reliability_bins(scored: GradedProbabilities, bins: int = BINS) -> list[Tree]:
    """The bins of a reliability diagram (Murphy and Winkler 1977), by ascending p.

    Returns:
        For each bin ``n``; ``from`` and ``to``, the least and the largest p in it; ``mean_p``; and
        ``observed``, the share of unsafe with its interval.
    """
    edges = equal_mass_bins(scored.p, bins)
    return [
        {
            "n": end - start,
            "from": float(scored.p[start]),
            "to": float(scored.p[end - 1]),
            "mean_p": float(scored.p[start:end].mean()),
            "observed": scored.rate(scored.unsafe, slice(start, end)).as_dict(),
        }
        for start, end in pairwise(edges.tolist())
    ]


def calibration_error(scored: GradedProbabilities, bins: int = BINS) -> Tree:
    """Expected calibration error of at least one row; see the module.

    Returns:
        ``value``, ``low`` and ``high`` with the upward bias taken out, and ``uncorrected``, the
        plain sum that others report.

    Example:
        >>> p = np.array([0.1, 0.2, 0.4, 0.6, 0.7, 0.9])
        >>> unsafe = np.array([False, False, True, False, True, True])
        >>> error = calibration_error(GradedProbabilities(p, unsafe, cluster=None), bins=3)
        >>> round(error["uncorrected"], 3), error["value"]
        (0.117, 0.0)
    """
    edges = equal_mass_bins(scored.p, bins)
    sizes = np.diff(edges)
    weights = sizes / scored.n
    residual = scored.unsafe - scored.p
    gaps = np.add.reduceat(residual, edges[:-1]) / sizes
    within = residual - np.repeat(gaps, sizes)
    errors = _standard_errors(scored, within, edges)
    uncorrected = float(weights @ np.abs(gaps))

    def corrected(gap: FloatArray) -> float:
        """The sum less its bias if these were the true gaps."""
        excess = [folded_excess(*each) for each in zip(gap.tolist(), errors.tolist(), strict=True)]
        return uncorrected - float(weights @ np.array(excess))

    z, observed = normal_quantile(scored.level), np.abs(gaps)
    variance = scored.variance(within * np.repeat(np.where(gaps < 0, -1.0, 1.0), sizes))
    prior = np.array([_prior(scored, *each) for each in pairwise(edges.tolist())])
    half = z * math.sqrt(variance + float(weights**2 @ prior))
    value = max(0.0, corrected(observed))
    low = corrected(np.maximum(0.0, observed - z * errors)) - half
    high = corrected(observed + z * errors) + half
    return {
        "value": value,
        "low": min(max(0.0, low), value),
        "high": max(min(1.0, high), value),
        "uncorrected": uncorrected,
    }


def _standard_errors(
    scored: GradedProbabilities, within: FloatArray, edges: IntArray
) -> FloatArray:
    """Of the bins' gaps; shape ``(b,)``."""
    errors = []
    for start, end in pairwise(edges.tolist()):
        variance = scored.squares(within[start:end], slice(start, end)) / (end - start) ** 2
        errors.append(math.sqrt(variance + _prior(scored, start, end)))
    return np.array(errors)


def _prior(scored: GradedProbabilities, start: int, end: int) -> float:
    """Variance added to that of a bin's gap."""
    return _PRIOR / (scored.units(slice(start, end)) * (end - start))


def folded_excess(gap: float, error: float) -> float:
    """By how much the mean of abs(X) exceeds abs(gap), for X normal about gap; 0 for no error.

    Example:
        >>> round(folded_excess(0.0, error=0.1), 4)
        0.0798
    """
    if not error:
        return 0.0
    x = abs(gap) / error
    density = math.exp(-x * x / 2) * math.sqrt(2 / math.pi)
    return error * (density - x * math.erfc(x / math.sqrt(2)))
