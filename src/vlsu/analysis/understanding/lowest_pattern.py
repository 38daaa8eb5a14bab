"""The pattern with the lowest accuracy: chosen after the fact, and what can be said of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vlsu.analysis.sampling.stratified import StratifiedEstimator
from vlsu.analysis.stats.shrinkage import shrunken_shares
from vlsu.analysis.table.cells import Cells
from vlsu.analysis.table.estimator import Estimator
from vlsu.analysis.understanding.shares import pattern_accuracy

__all__ = ["FEW", "lowest_pattern"]

#: Patterns with fewer samples are not compared.
FEW = 5


def lowest_pattern(
    cells: Cells, estimator: Estimator | StratifiedEstimator
) -> dict[str, object] | None:
    """The pattern whose joint accuracy is the lowest as observed, corrected for this choice.

    Of many patterns the lowest one is also the unluckiest: the interval of its accuracy alone lies
    too low. Here every pattern's interval is at the level 1 - (1 - level) / k of k patterns, so
    that all hold at once with the estimator's level (Bonferroni's inequality), and the one of the
    pattern chosen whatever the choice.

    Args:
        cells: The samples. Compared are patterns with at least `FEW` joint judgments.
        estimator: Of these cells.

    Returns:
        ``pattern``, ``n``, ``patterns`` (how many were compared), ``accuracy`` with the interval of
        that level, ``shrunken``: its empirical Bayes estimate (`shrunken_shares`), and
        ``may_be_lowest``: the patterns, it among them, that by these intervals could truly be the
        lowest. `None` with fewer than two patterns to compare.
    """
    shares = {
        name: share
        for name, share in pattern_accuracy(cells).items()
        if estimator.size(share.among) >= FEW
    }
    if len(shares) < 2:
        return None
    together = replace(estimator, level=1 - (1 - estimator.level) / len(shares))
    rates = {name: together.rate(share) for name, share in shares.items()}
    values = np.array([rate.value for rate in rates.values()], dtype=np.float64)
    sizes = [estimator.effective_size(each.hits, each.among) for each in shares.values()]
    place = int(values.argmin())
    name = list(rates)[place]
    highest = min(rate.high for rate in rates.values() if rate.high is not None)
    return {
        "pattern": name,
        "n": estimator.size(shares[name].among),
        "patterns": len(shares),
        "accuracy": rates[name],
        "shrunken": float(shrunken_shares(values, np.array(sizes))[place]),
        "may_be_lowest": [
            name for name, rate in rates.items() if rate.low is not None and rate.low <= highest
        ],
    }
