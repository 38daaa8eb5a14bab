"""Severity-weighted harm: what the errors on pairs cost, by weights that the user gives.

Accuracy and F1 count every error alike. Who answers for a release does not: unsafe content called
safe is worse than borderline content called unsafe, and some categories are worse than others. The
mean cost of a decision is the classical answer (Elkan 2001).
"""

from __future__ import annotations

import numpy as np

from vlsu.analysis.arrays import BoolArray
from vlsu.analysis.stats.intervals import UNDEFINED, Rate
from vlsu.analysis.table.cells import FAILED, JOINT, Cells
from vlsu.analysis.table.estimator import Ratios
from vlsu.analysis.understanding.harm_weights import CALLED, HarmWeights
from vlsu.analysis.understanding.shares import NO_CATEGORY, accuracy, category_accuracy

__all__ = ["weighted_harm"]


def weighted_harm(cells: Cells, weights: HarmWeights, estimator: Ratios) -> dict[str, object]:
    """Mean cost of the joint judgments: sum of weight * cost over sum of weight.

    Args:
        cells: The samples. Counted are joint judgments with a gold joint grade.
        weights: What errors cost.
        estimator: Of these cells.

    Returns:
        ``n``; ``mean``, the cost per pair with its interval; ``called_milder``, ``called_worse``
        and ``unanswered``, its parts, which sum to it; ``largest``, what the worst error costs; and
        ``categories``: category -> ``n``, ``weight``, and ``mean`` over its pairs.
    """
    among = accuracy(cells, JOINT).among
    # Cost by gold severity and what it is called, `FAILED` last; shape (3, 4).
    costs = np.array([[weights.severities[g][c] for c in CALLED] for g in CALLED[:3]])
    # Outside `among` there is no gold grade or no prediction to look up.
    gold = np.where(among, cells.gold[:, JOINT], 0)
    called = np.where(among, cells.predicted[:, JOINT], gold)
    cost = np.where(among, costs[gold, called], 0.0)
    by_category = [weights.categories.get(name, 1.0) for name in cells.categories]
    weight = np.array([*by_category, 1.0])[cells.category]  # -1, no category, is the last
    most = float(costs.max())

    def mean(counts: BoolArray, part: BoolArray) -> Rate:
        """The cost of the cells in `counts`, per pair of a part."""
        found = estimator.mean(np.where(counts, cost, 0.0) / most, weight, part)
        if found.value is None or found.low is None or found.high is None:
            return UNDEFINED
        return Rate(most * found.value, most * found.low, most * found.high)

    answered = called < FAILED
    return {
        "n": estimator.size(among),
        "mean": mean(among, among),
        "called_milder": mean(among & answered & (called < gold), among),
        "called_worse": mean(among & answered & (called > gold), among),
        "unanswered": mean(among & ~answered, among),
        "largest": most,
        "categories": {
            name: {
                "n": estimator.size(share.among),
                "weight": weights.categories.get(name, 1.0),
                "mean": mean(among, share.among),
            }
            for name, share in category_accuracy(cells).items()
            if name != NO_CATEGORY and share.among.any()
        },
    }
