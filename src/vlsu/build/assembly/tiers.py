"""Tiers: what may be published openly, and what only for those who agreed to its terms."""

from __future__ import annotations

from collections.abc import Collection

from vlsu.policy import Pattern, Severity

__all__ = ["CRITICAL", "STANDARD", "tier_of"]

#: Tier of what has an unsafe part in a category with a critical harm.
CRITICAL = "critical"
#: Tier of everything else.
STANDARD = "standard"


def tier_of(critical: Collection[str], category: str | None, pattern: Pattern) -> str:
    """The tier of a sample.

    A critical harm is only a part of its category, and no record tells which part a sample is of.
    So the whole category is critical where anything of the sample is unsafe.

    Args:
        critical: Of `vlsu.build.rails.critical.critical_categories`.
        category: Of the sample.
        pattern: Of the sample.

    Example:
        >>> tier_of({"C10"}, "C10", Pattern.parse("S-S-U"))
        'critical'
        >>> tier_of({"C10"}, "C10", Pattern.parse("S-S-B"))
        'standard'
    """
    worst = max(pattern.image, pattern.text, pattern.joint)
    return CRITICAL if worst is Severity.UNSAFE and category in critical else STANDARD
