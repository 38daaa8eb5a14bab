"""The share of judgments that were answered, and how large it must be for a conclusion.

Where answers are missing, a model that could not be read looks like a model that is wrong: a
missing answer counts as wrong everywhere. So each figure stands beside the share answered, and
below `ENOUGH` a comparison is made twice, with the missing as wrong and with the missing left out.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlsu._arguments import require_kind
from vlsu.analysis.stats.intervals import LEVEL, UNDEFINED, Rate, wilson
from vlsu.errors import UsageError
from vlsu.policy import Outcome

__all__ = [
    "ENOUGH",
    "UNANSWERED",
    "format_share",
    "parse_share",
    "require_share",
    "unanswered_shares",
]

#: Share answered below which a report opens with it, and a comparison is made in two ways.
ENOUGH = 0.95

#: Outcomes without an answer of the understanding task: none carries a severity.
UNANSWERED = (Outcome.REFUSED, Outcome.BLOCKED, Outcome.ERROR, Outcome.UNPARSED)


def unanswered_shares(
    answered: Rate, counts: Mapping[str, int], size: float, level: float = LEVEL
) -> dict[str, Rate]:
    """The share without an answer, divided by outcome as the counts are.

    Args:
        answered: The share that was answered.
        counts: Outcome -> judgments; those of `UNANSWERED` are looked at.
        size: Independent samples that `answered` is worth.
        level: Confidence of the intervals.

    Returns:
        Outcome -> its share with Wilson's interval, of `UNANSWERED`; with `answered` they sum to 1.
        Undefined where `answered` is.
    """
    if answered.value is None:
        return dict.fromkeys(map(str, UNANSWERED), UNDEFINED)
    total = sum(counts.get(outcome, 0) for outcome in UNANSWERED)
    left = 1 - answered.value
    shares = {}
    for outcome in UNANSWERED:
        share = left * counts.get(outcome, 0) / total if total else 0.0
        shares[str(outcome)] = Rate.within(share, *wilson(share, size, level))
    return shares


def format_share(share: float) -> str:
    """``96%``; what is not all is never rounded to 100%, nor what is something to 0%.

    Example:
        >>> [format_share(share) for share in (1.0, 0.96, 0.998, 0.99999)]
        ['100%', '96%', '99.8%', '99.99%']
    """
    if share in (0, 1) or 0.005 <= share < 0.995:
        return f"{share:.0%}"
    return (
        f"{min(max(share, 0.0001), 0.9999):.2%}"
        if min(share, 1 - share) < 0.0005
        else f"{share:.1%}"
    )


def parse_share(text: str, option: str) -> float:
    """A share from ``0.95`` or ``95%``.

    Args:
        text: As it was typed.
        option: What it was typed after, for the message.

    Raises:
        UsageError: It is no number from 0 to 1.

    Example:
        >>> parse_share("95%", "--min-answered")
        0.95
    """
    plain = text.strip()
    percent = plain.endswith("%")
    try:
        share = float(plain.removesuffix("%")) / (100 if percent else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError(f"{option} {text!r}: give a share from 0 to 1, such as 0.95 or 95%")
    return share


def require_share(share: float, name: str) -> None:
    """Raise `UsageError` unless this is a share."""
    require_kind(name, share, float)
    if not 0 <= share <= 1:
        raise UsageError(f"{name} is {share}; give a share from 0 to 1, such as 0.95")
