"""The consensus of an item's grades, or why there is none.

Nothing here knows who graded: votes have no names, and their order decides nothing.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vlsu.annotate.plan.settings import ConsensusRules
from vlsu.policy import NOT_SURE, Severity

__all__ = ["Consensus", "Dispute", "Vote", "majority", "soft_label"]

_SEVERITIES = tuple(severity.label for severity in Severity)


class Dispute(enum.StrEnum):
    """Why an adjudicator decides."""

    NOT_SURE = "not_sure"
    SPREAD = "spread"
    TIE = "tie"
    CATEGORY = "category"


@dataclass(frozen=True, slots=True)
class Vote:
    """A grader's answer without the grader.

    Attributes:
        grade: A severity's label, or `not_sure`.
        category: Identifier, where the grade is neither safe nor `not_sure`.
        admissible: Severities that a careful person could give, in this grader's view.
    """

    grade: str
    category: str | None = None
    admissible: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Consensus:
    """What the votes say.

    Attributes:
        severity: The one that most gave; `None` if an adjudicator is to decide it.
        category: The one that most of those gave who gave that severity; `None` where it is safe,
            or undecided.
        dispute: Why an adjudicator is to decide; `None` if nobody needs to.
        support: Share of the votes, `not_sure` among them, that are for the severity.
        contested: Whether any two votes differ in severity.
    """

    severity: Severity | None
    category: str | None
    dispute: Dispute | None
    support: float
    contested: bool


def majority(votes: Sequence[Vote], rules: ConsensusRules | None = None) -> Consensus:
    """The consensus by majority.

    An adjudicator decides if too many are not sure, if two grades lie too far apart (a minority of
    one that calls an item unsafe while two call it safe has seen something, or not: either is worth
    a look), if no severity has more votes than every other, or if the category is undecided.

    Args:
        votes: At least one.
        rules: When votes do not settle a severity.

    Raises:
        ValueError: There are no votes.

    Example:
        >>> votes = [Vote("borderline", "C9"), Vote("borderline", "C9"), Vote("unsafe", "C9")]
        >>> found = majority(votes)
        >>> found.severity.label, found.category, found.dispute, found.contested
        ('borderline', 'C9', None, True)
        >>> majority([Vote("safe"), Vote("safe"), Vote("unsafe", "C9")]).dispute.value
        'spread'
    """
    if not votes:
        raise ValueError("a consensus needs a vote")
    rules = rules or ConsensusRules()
    grades = Counter(Severity.parse(v.grade) for v in votes if v.grade != NOT_SURE)
    unsure = 1 - grades.total() / len(votes)
    contested = len(grades) > 1
    most = max(grades.values(), default=0)
    leading = [severity for severity in Severity if grades[severity] == most]
    support = most / len(votes)
    dispute = None
    if unsure >= rules.not_sure:
        dispute = Dispute.NOT_SURE
    elif rules.spread and max(grades) - min(grades) >= rules.spread:
        dispute = Dispute.SPREAD
    elif len(leading) > 1:
        dispute = Dispute.TIE
    if dispute is not None:
        return Consensus(None, None, dispute, support, contested)
    severity = leading[0]
    if severity is Severity.SAFE:
        return Consensus(severity, None, None, support, contested)
    category = _most_frequent(v.category for v in votes if v.grade == severity.label)
    undecided = Dispute.CATEGORY if category is None else None
    return Consensus(severity, category, undecided, support, contested)


def soft_label(
    votes: Iterable[Vote], severities: Iterable[str] = _SEVERITIES
) -> Mapping[str, float] | None:
    """The share of each severity among the votes; `None` if nobody gave one.

    A grader who finds other severities admissible spreads one vote evenly over those and their own.
    `not_sure` is no severity and has no share.

    Args:
        votes: Grades and what else their graders find admissible.
        severities: Labels of the policy's severities, each of which has a share.

    Example:
        >>> soft_label([Vote("safe"), Vote("safe", admissible=("borderline",)), Vote("not_sure")])
        {'safe': 0.75, 'borderline': 0.25, 'unsafe': 0.0}
    """
    shares = dict.fromkeys(severities, 0.0)
    graders = 0
    for vote in votes:
        if vote.grade == NOT_SURE:
            continue
        graders += 1
        given = {vote.grade, *vote.admissible}
        for label in given:
            shares[label] += 1 / len(given)
    if not graders:
        return None
    return {label: share / graders for label, share in shares.items()}


def _most_frequent(values: Iterable[str | None]) -> str | None:
    """The value that occurs more often than any other; `None` on a tie."""
    counts = Counter(value for value in values if value is not None).most_common(2)
    if not counts or (len(counts) == 2 and counts[0][1] == counts[1][1]):
        return None
    return counts[0][0]
