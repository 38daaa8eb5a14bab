"""How sure the leading severity of some votes is: what decides whether one more grade is asked for.

A grader is taken to give the true severity with a stated probability, and each other one equally
often; before any vote every severity is as probable. Graders are not told apart: who is good is not
known in time, and an item must not get more grades because of who happened to grade it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vlsu.annotate.consensus.majority import Vote
from vlsu.policy import NOT_SURE, Severity

__all__ = ["certainty"]


def certainty(votes: Sequence[Vote], accuracy: float = 0.8) -> float:
    """The probability of the leading severity, from ``1 / 3`` without a vote to 1.

    `not_sure` tells nothing, and neither do admissible grades.

    Args:
        votes: Of a sample's modality.
        accuracy: How often a grader is right, above a third and below 1.

    Example:
        Three who agree need nobody else, two against one do:

        >>> safe, unsafe = Vote("safe"), Vote("unsafe", "C9")
        >>> round(certainty([safe, safe, safe]), 3), round(certainty([safe, safe, unsafe]), 3)
        (0.996, 0.877)
        >>> round(certainty([safe, safe, safe, unsafe]), 3)
        0.982
    """
    levels = len(Severity)
    odds = accuracy * (levels - 1) / (1 - accuracy)  # how much one vote speaks for its severity
    counts = Counter(vote.grade for vote in votes if vote.grade != NOT_SURE)
    most = max(counts.values(), default=0)
    weights = [odds ** (counts[severity.label] - most) for severity in Severity]
    return 1 / sum(weights)
