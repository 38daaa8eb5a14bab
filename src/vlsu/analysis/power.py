"""How many samples tell two runs apart, and how small a margin so many samples show.

The test is McNemar's exact one on the same samples (`vlsu.analysis.mcnemar`). What it needs depends
on the margin and on the discordance: the share of samples on which exactly one run is right.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from vlsu.analysis.cells import FloatArray, IntArray
from vlsu.errors import UsageError

__all__ = ["independent_discordance", "power", "samples_needed", "smallest_margin"]

#: Expected discordant samples up to which power is computed exactly.
_EXACT = 1_000
#: Samples beyond which nobody plans.
_MOST = 10**18
#: Standard deviations of a binomial that are looked at; the rest is below 1e-12.
_REACH = 7.5
_NORMAL = NormalDist()


def independent_discordance(accuracy: float, margin: float) -> float:
    """Discordance of two runs that err independently, one at `accuracy`, one `margin` above.

    Two models err on the same samples more often than that, so it asks for more samples than
    needed rather than for fewer.
    """
    better = accuracy + margin
    return accuracy * (1 - better) + better * (1 - accuracy)


def power(n: int, discordance: float, margin: float, alpha: float = 0.05) -> float:
    """Chance that the exact McNemar test finds the better run better, at a two-sided `alpha`.

    Exact up to 1,000 expected discordant samples; beyond, by the normal approximation of
    Miettinen (1968) and Connor (1987) with a correction for continuity, then within 0.002 of it.

    Args:
        n: Samples, at least 1.
        discordance: Share of samples on which exactly one run is right, at least `margin`.
        margin: Difference of the accuracies, above 0.
        alpha: Chance of a claim where there is no difference.
    """
    if n * discordance > _EXACT:
        z = _NORMAL.inv_cdf(1 - alpha / 2)
        spread = math.sqrt(max(discordance - margin**2, 1e-12))
        return _NORMAL.cdf(((margin - 1 / n) * math.sqrt(n) - z * math.sqrt(discordance)) / spread)
    m, found = _discordant(n, discordance)
    # Of m discordant samples the worse run has k alone.
    k = np.arange(m[-1] // 2 + 1)
    factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, m[-1] + 1)))])
    ways = factorial[m][:, None] - factorial[k] - factorial[np.maximum(m[:, None] - k, 0)]
    claimed = 2 * np.cumsum(np.exp(ways - m[:, None] * math.log(2)), axis=1) <= alpha
    claimed &= k < m[:, None] / 2
    share = (discordance + margin) / (2 * discordance)
    split = ways + _times_log(k, 1 - share) + _times_log(m[:, None] - k, share)
    claims = np.exp(split, where=claimed, out=np.zeros(split.shape)).sum(axis=1)
    return min(1.0, float(found @ claims))


def samples_needed(
    margin: float, discordance: float, *, alpha: float = 0.05, wanted: float = 0.8
) -> int:
    """Samples with which the test finds a margin with the chance wanted.

    The power of an exact test rises in small steps; this is where it passes `wanted`, to within
    one step.

    Args:
        margin: Difference of the accuracies, in (0, 1].
        discordance: Share of samples on which exactly one run is right, from `margin` to 1.
        alpha: Chance of a claim where there is no difference, in (0, 1).
        wanted: Power, in (0, 1).

    Raises:
        UsageError: A number is out of range.
    """
    _require_share("margin", margin)
    _require_share("alpha", alpha, below_one=True)
    _require_share("power", wanted, below_one=True)
    if not margin <= discordance <= 1:
        raise UsageError(
            f"discordance {discordance:g}: two runs {margin:g} apart differ on a share from "
            f"{margin:g} to 1"
        )
    low, high = 0, 8
    while power(high, discordance, margin, alpha) < wanted:
        low, high = high, 2 * high
        if high > _MOST:
            raise UsageError(f"margin {margin:g}: takes more than {_MOST:.0e} samples; give more")
    while high - low > 1:
        middle = (low + high) // 2
        if power(middle, discordance, margin, alpha) < wanted:
            low = middle
        else:
            high = middle
    return high


def smallest_margin(
    n: float,
    discordance: float | Callable[[float], float],
    *,
    alpha: float = 0.05,
    wanted: float = 0.8,
    largest: float = 1.0,
) -> float | None:
    """The smallest margin that n samples show with the chance wanted; `None` if none is seen.

    Args:
        n: Samples, or the independent samples they are worth.
        discordance: Share of samples on which exactly one run is right, which a larger margin
            raises; or what it is at a margin.
        alpha: Chance of a claim where there is no difference.
        wanted: Power.
        largest: The largest margin there can be.
    """
    samples = int(n)

    def seen(margin: float) -> bool:
        share = discordance(margin) if callable(discordance) else max(discordance, margin)
        return power(samples, share, margin, alpha) >= wanted

    if samples < 1 or not seen(largest):
        return None
    low, high = 0.0, largest
    while high - low > 1e-3 * high and high > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high


def _discordant(n: int, discordance: float) -> tuple[IntArray, FloatArray]:
    """Numbers of discordant samples among n, and the chance of each; the rest is negligible.

    Binomial, by the ratios of neighbours: the factorials of a large n would cost its size.
    """
    if discordance >= 1:
        return np.array([n]), np.ones(1)
    centre, reach = n * discordance, _REACH * math.sqrt(n * discordance) + 10
    first, last = max(0, math.floor(centre - reach)), min(n, math.ceil(centre + reach))
    m = np.arange(first, last + 1)
    ratios = np.log(n - m[:-1]) - np.log(m[1:]) + math.log(discordance / (1 - discordance))
    logs = np.concatenate([[0.0], np.cumsum(ratios)])
    chances = np.exp(logs - logs.max())
    return m, chances / chances.sum()


def _times_log(count: IntArray, share: float) -> FloatArray:
    """Log of `share` to these powers; 0 to the power of 0 is 1."""
    log = math.log(share) if share > 0 else -np.inf
    logs: FloatArray = np.where(count == 0, 0.0, np.maximum(count, 1) * log)
    return logs


def _require_share(name: str, share: float, *, below_one: bool = False) -> None:
    if not 0 < share <= 1 or (below_one and share == 1):
        raise UsageError(
            f"{name} {share:g}: give a share above 0 and {'below' if below_one else 'at most'} 1"
        )
