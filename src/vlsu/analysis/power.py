"""How many samples tell two runs apart, and how small a margin so many samples show.

The test is McNemar's exact one on the same samples (`vlsu.analysis.mcnemar`). What it needs depends
on the margin and on the discordance: the share of samples on which exactly one run is right.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from vlsu.analysis.mcnemar import log_binomials
from vlsu.errors import UsageError

__all__ = ["independent_discordance", "power", "samples_needed", "smallest_margin"]

#: Expected discordant samples up to which power is computed exactly.
_EXACT = 3_000
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

    Exact up to 3,000 expected discordant samples; beyond, by the normal approximation of
    Miettinen (1968) and Connor (1987) with a correction for continuity, then within 0.001 of it.

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
    centre, reach = n * discordance, _REACH * math.sqrt(n * discordance) + 10
    counts = range(max(1, math.floor(centre - reach)), min(n, math.ceil(centre + reach)) + 1)
    logs = log_binomials(n)
    share = (discordance + margin) / (2 * discordance)
    total = 0.0
    for m in counts:
        chance = math.exp(logs[m] + _log_power(discordance, m) + _log_power(1 - discordance, n - m))
        total += chance * _conditional(m, share, alpha)
    return min(1.0, total)


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
    while high - low > 1:
        middle = (low + high) // 2
        if power(middle, discordance, margin, alpha) < wanted:
            low = middle
        else:
            high = middle
    return high


def smallest_margin(
    n: float, discordance: float, *, alpha: float = 0.05, wanted: float = 0.8
) -> float | None:
    """The smallest margin that n samples show with the chance wanted; `None` if none is seen.

    Args:
        n: Samples, or the independent samples they are worth.
        discordance: Share of samples on which exactly one run is right; a larger margin raises it.
        alpha: Chance of a claim where there is no difference.
        wanted: Power.
    """
    samples = int(n)
    if samples < 1 or power(samples, 1.0, 1.0, alpha) < wanted:
        return None
    low, high = 0.0, 1.0
    while high - low > 5e-4:
        middle = (low + high) / 2
        if power(samples, max(discordance, middle), middle, alpha) < wanted:
            low = middle
        else:
            high = middle
    return high


def _conditional(m: int, share: float, alpha: float) -> float:
    """Chance to claim for the better run given m discordant samples, of which `share` are its own.

    The test claims where twice the chance of so few, by fair coins, is at most `alpha`.
    """
    logs = log_binomials(m)
    fair = 2 * np.cumsum(np.exp(logs - m * math.log(2)))
    claims = int(np.searchsorted(fair, alpha, side="right"))  # counts 0 .. claims - 1 are claimed
    if not claims:
        return 0.0
    others = np.arange(claims)
    if share >= 1:
        return 1.0
    return float(
        np.exp(logs[:claims] + others * math.log(1 - share) + (m - others) * math.log(share)).sum()
    )


def _log_power(base: float, exponent: int) -> float:
    if exponent == 0:
        return 0.0
    return exponent * math.log(base) if base > 0 else -math.inf


def _require_share(name: str, share: float, *, below_one: bool = False) -> None:
    if not 0 < share <= 1 or (below_one and share == 1):
        raise UsageError(
            f"{name} {share:g}: give a share above 0 and {'below' if below_one else 'at most'} 1"
        )
