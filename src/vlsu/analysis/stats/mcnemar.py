"""Tests of two runs on the same samples: the runs swapped in each sample by a coin.

If two runs do not differ, swapping their results on any sample changes nothing but chance. Of
samples on which exactly one is right, each then falls to either side by a fair coin: McNemar's
(1947) test, here exact. Where samples come in groups, a group is swapped as a whole, which is the
same test if every group is one sample.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np

from vlsu.analysis.arrays import FloatArray

__all__ = ["mcnemar", "sign_flip"]

#: Steps of a sum of unequal differences up to which its distribution is worked out; beyond, with at
#: least some hundreds of groups, it is normal for all purposes.
_STEPS = 10_000


def mcnemar(first_only: int, second_only: int) -> float:
    """The exact two-sided p of McNemar's (1947) test, at any number of samples.

    Twice the chance that of so many fair coins as few or fewer fall on the rarer side.

    Args:
        first_only: Samples on which the first run alone is right.
        second_only: Samples on which the second alone is.

    Example:
        >>> round(mcnemar(2, 10), 4)
        0.0386
    """
    n, fewer = first_only + second_only, min(first_only, second_only)
    if first_only == second_only:
        return 1.0
    logs = _log_binomials(n)[: fewer + 1] - n * math.log(2)
    return min(1.0, 2 * float(np.exp(logs).sum()))


def sign_flip(differences: Mapping[int, int]) -> float:
    """The two-sided p of a sum of differences whose signs could as well be the others.

    Exact where all differences are of one size, or their sizes sum to at most 10,000; else normal.

    Args:
        differences: Signed difference of a group -> how many groups have it.

    Example:
        Groups of one sample each are McNemar's test again:

        >>> round(sign_flip({1: 10, -1: 2}), 4)
        0.0386
        >>> round(sign_flip({2: 3, -1: 2}), 4)
        0.4375
    """
    sizes: Counter[int] = Counter()
    for difference, units in differences.items():
        if difference and units:
            sizes[abs(difference)] += units
    observed = abs(sum(difference * units for difference, units in differences.items()))
    if not observed:
        return 1.0
    if len(sizes) == 1:
        (size, units), *_ = sizes.items()
        fewer = (units - observed // size) // 2
        return mcnemar(fewer, units - fewer)
    steps = sum(size * units for size, units in sizes.items())
    if steps > _STEPS:
        spread = math.sqrt(sum(size**2 * units for size, units in sizes.items()))
        return math.erfc(observed / spread / math.sqrt(2))
    # The sum of those that fall to one side; the two sides together are `steps`.
    chance: FloatArray = np.ones(1)
    for size, units in sizes.items():
        one = np.zeros(size * units + 1)
        one[::size] = np.exp(_log_binomials(units) - units * math.log(2))
        chance = np.convolve(chance, one)
    return min(1.0, 2 * float(chance[: (steps - observed) // 2 + 1].sum()))


def _log_binomials(n: int) -> FloatArray:
    """Logarithms of the binomial coefficients of n, shape ``(n + 1,)``."""
    down = np.arange(n, 0, -1, dtype=np.float64)
    return np.concatenate([[0.0], np.cumsum(np.log(down / down[::-1]))])
