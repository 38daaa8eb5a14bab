"""Sample size and power for comparing two runs on the same samples.

The test is McNemar's exact one on the same samples (`vlsu.analysis.stats.mcnemar`). What it needs
depends on the margin and on the discordance: the share of samples on which exactly one run is
right.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, lru_cache
from statistics import NormalDist

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.errors import UsageError

__all__ = ["independent_discordance", "power", "samples_needed", "smallest_margin"]

#: Expected discordant samples up to which power is computed exactly.
_EXACT = 1_000
#: Samples beyond which nobody plans.
_MOST = 10**18
#: Standard deviations of a binomial that are looked at; the rest is below 1e-12.
_REACH = 7.5
#: The largest number of discordant samples that is looked at exactly.
_LARGEST = _EXACT + math.ceil(_REACH * math.sqrt(_EXACT)) + 11
#: Margins tried to get near to the smallest, and how far beyond it, as a share of it.
_TRIES, _BEYOND = 4, 5e-4
_NORMAL = NormalDist()


def independent_discordance(accuracy: float, margin: float) -> float:
    """Discordance of two runs that err independently, one at `accuracy`, one `margin` above.

    Two models err on the same samples more often than that, so it asks for more samples than
    needed rather than for fewer.

    Example:
        >>> round(independent_discordance(0.7, 0.05), 3)
        0.4
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

    Example:
        >>> round(power(500, discordance=0.2, margin=0.05), 3)
        0.676
    """
    if n * discordance > _EXACT:
        return _approximate(n, discordance, margin, alpha)
    m, found = _discordant(n, discordance)
    most = _most_claimed(alpha)[m]
    # Of m discordant samples the worse run has k alone; fewer than the least are negligible.
    share = (discordance + margin) / (2 * discordance)
    spread = math.sqrt(m[-1] * share * (1 - share))
    least = max(0, math.floor(m[0] * (1 - share) - _REACH * spread - 10))
    k = np.arange(least, most.max(initial=-1) + 1)
    if not k.size:
        return 0.0
    factorial = _log_factorials()
    better = np.arange(m[0] - k[-1], m[-1] - k[0] + 1)  # all that m - k can be
    ways = factorial[m][:, None] - factorial[k] - _by_m(factorial[np.maximum(better, 0)], k.size)
    split = ways + _times_log(k, 1 - share) + _by_m(_times_log(better, share), k.size)
    claimed = k <= most[:, None]
    claims = np.exp(split, where=claimed, out=np.zeros(split.shape)).sum(axis=1)
    return min(1.0, float(found @ claims))


def _approximate(n: int, discordance: float, margin: float, alpha: float) -> float:
    z = _NORMAL.inv_cdf(1 - alpha / 2)
    spread = math.sqrt(max(discordance - margin**2, 1e-12))
    return _NORMAL.cdf(((margin - 1 / n) * math.sqrt(n) - z * math.sqrt(discordance)) / spread)


def _nearly(n: int, discordance: float, margin: float, alpha: float) -> float:
    """The same as `power` to some ten digits, in a fraction of its time.

    Of how many discordant samples the worse run has alone, up to `c` of m, the chance follows from
    that of m - 1: the last of them is the worse run's or it is not.
    """
    if n * discordance > _EXACT:
        return _approximate(n, discordance, margin, alpha)
    m, found = _discordant(n, discordance)
    most = _most_claimed(alpha)[m]
    if most[-1] < 0:
        return 0.0
    share = (discordance + margin) / (2 * discordance)
    factorial = _log_factorials()

    def exactly(k: IntArray, of: IntArray) -> FloatArray:
        """The chance of k of so many; 0 for what there cannot be."""
        there = (k >= 0) & (k <= of)
        k, of = np.where(there, k, 0), np.where(there, of, 0)
        ways = factorial[of] - factorial[k] - factorial[of - k]
        chances = np.exp(ways + _times_log(k, 1 - share) + _times_log(of - k, share))
        return np.where(there, chances, 0.0)

    # One sample more: those that had c alone pass it with it; the bound itself rises by one or not.
    first = exactly(np.arange(most[0] + 1), m[0]).sum()
    lost = (1 - share) * exactly(most[:-1], m[:-1])
    gained = np.where(most[1:] > most[:-1], exactly(most[1:], m[1:]), 0.0)
    claims = first + np.concatenate([[0.0], np.cumsum(gained - lost)])
    return min(1.0, float(found @ claims))


def _by_m(of_difference: FloatArray, size: int) -> FloatArray:
    """What is known of m - k, by m and k, where both are ranges; a view of shape ``(M, size)``."""
    return np.lib.stride_tricks.sliding_window_view(of_difference, size)[:, ::-1]


@cache
def _log_factorials() -> FloatArray:
    """Of all numbers of discordant samples that are looked at exactly."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, _LARGEST + 1)))])


@lru_cache(16)
def _most_claimed(alpha: float) -> IntArray:
    """Up to how many of m discordant samples for the worse run make a claim, by m; -1: none do."""
    m, k = np.arange(_LARGEST + 1)[:, None], np.arange(_LARGEST // 2 + 1)
    factorial = _log_factorials()
    ways = factorial[m] - factorial[k] - factorial[np.maximum(m - k, 0)]
    claimed = 2 * np.cumsum(np.exp(ways - m * math.log(2)), axis=1) <= alpha
    most: IntArray = (claimed & (k < m / 2)).sum(axis=1) - 1
    return most


def samples_needed(
    margin: float, discordance: float, *, alpha: float = 0.05, target_power: float = 0.8
) -> int:
    """The samples with which the test detects a margin with the target power.

    The power of an exact test rises in small steps; this is where it passes `target_power`, to
    within one step.

    Args:
        margin: Difference of the accuracies, in (0, 1].
        discordance: Share of samples on which exactly one run is right, from `margin` to 1.
        alpha: Chance of a claim where there is no difference, in (0, 1).
        target_power: Power, in (0, 1).

    Raises:
        UsageError: A number is out of range.

    Example:
        >>> samples_needed(0.05, discordance=0.2)
        658
    """
    _require_share("margin", margin)
    _require_share("alpha", alpha, below_one=True)
    _require_share("power", target_power, below_one=True)
    if not margin <= discordance <= 1:
        raise UsageError(
            f"discordance {discordance:g}: two runs {margin:g} apart differ on a share from "
            f"{margin:g} to 1"
        )
    low, high = 0, 8
    while _nearly(high, discordance, margin, alpha) < target_power:
        low, high = high, 2 * high
        if high > _MOST:
            raise UsageError(f"margin {margin:g}: takes more than {_MOST:.0e} samples; give more")
    while high - low > 1:
        middle = (low + high) // 2
        if _nearly(middle, discordance, margin, alpha) < target_power:
            low = middle
        else:
            high = middle
    return high


def smallest_margin(
    n: float,
    discordance: float | Callable[[float], float],
    *,
    alpha: float = 0.05,
    target_power: float = 0.8,
    largest: float = 1.0,
) -> float | None:
    """The smallest margin that n samples detect with the target power; `None` if there is none.

    Args:
        n: Samples, or the independent samples they are worth.
        discordance: Share of samples on which exactly one run is right, which a larger margin
            raises; or what it is at a margin.
        alpha: Chance of a claim where there is no difference.
        target_power: Power.
        largest: The largest margin there can be.

    Example:
        >>> margin = smallest_margin(500, 0.2)
        >>> round(margin, 3)
        0.057
    """
    samples = int(n)

    def share(margin: float) -> float:
        return discordance(margin) if callable(discordance) else max(discordance, margin)

    def at(margin: float) -> float:
        return _nearly(samples, share(margin), margin, alpha)

    if samples < 1 or at(largest) < target_power:
        return None
    wanted = _NORMAL.inv_cdf(target_power) - _NORMAL.inv_cdf(alpha / 2)
    missed, seen = 0.0, largest
    if wanted > 0:  # otherwise chance alone makes claims often enough
        guess = wanted * math.sqrt(share(0.0) / samples)
        missed, seen = _bracket(at, max(guess, wanted**2 / samples), largest, alpha, target_power)
    low, high = 0.0, largest
    while high - low > 1e-3 * high and high > 1e-6:
        middle = (low + high) / 2
        if missed < middle < seen and at(middle) < target_power:
            missed = middle
        elif missed < middle < seen:
            seen = middle
        low, high = (low, middle) if middle >= seen else (middle, high)
    return high


def _bracket(
    at: Callable[[float], float], guess: float, largest: float, alpha: float, target_power: float
) -> tuple[float, float]:
    """Two margins, as a rule close to each other, of which the second alone is detected.

    The smaller one's power is too low, so that of all below it is: power rises with the margin.

    Args:
        at: Power at a margin.
        guess: A margin to begin with, above 0.
        largest: A margin that is detected.
        alpha: Chance of a claim where there is no difference.
        target_power: Power with which a margin counts as detected.
    """
    missed, seen, margin = 0.0, largest, min(guess, largest / 2)
    wanted = _NORMAL.inv_cdf(target_power) - _NORMAL.inv_cdf(alpha / 2)
    for _ in range(_TRIES):
        found = at(margin)
        if found < target_power:
            missed = margin
        else:
            seen = margin
        # Power in standard errors grows with the margin; a little beyond lies the other side.
        reached = _NORMAL.inv_cdf(min(max(found, 1e-9), 1 - 1e-9)) - _NORMAL.inv_cdf(alpha / 2)
        beyond = 1 + _BEYOND if found < target_power else 1 - _BEYOND
        margin *= wanted / max(reached, wanted / 4) * beyond
        if not missed < margin < seen:
            break
    return missed, seen


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
