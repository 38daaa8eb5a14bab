"""Tiers: what may be published openly, and what only for those who agreed to its terms."""

from __future__ import annotations

from vlsu.policy import Pattern, Policy, Severity

__all__ = ["CRITICAL", "STANDARD", "critical_categories", "tier_of"]

#: Tier of what has an unsafe part in a category with a critical harm.
CRITICAL = "critical"
#: Tier of everything else.
STANDARD = "standard"


def critical_categories(policy: Policy) -> frozenset[str]:
    """Categories of which the policy names a critical harm."""
    return frozenset(each.category for each in policy.critical)


def tier_of(policy: Policy, category: str | None, pattern: Pattern) -> str:
    """The tier of a sample.

    A critical harm is only a part of its category, and no record tells which part a sample is of.
    So the whole category is critical where anything of the sample is unsafe.

    Example:
        >>> from vlsu.policy import default_policy
        >>> tier_of(default_policy(), "C10", Pattern.parse("S-S-U"))
        'critical'
        >>> tier_of(default_policy(), "C10", Pattern.parse("S-S-B"))
        'standard'
    """
    worst = max(pattern.image, pattern.text, pattern.joint)
    critical = worst is Severity.UNSAFE and category in critical_categories(policy)
    return CRITICAL if critical else STANDARD
