"""Which refused queries another model may be asked for: by a person's approval, by category."""

from __future__ import annotations

from collections.abc import Sequence

from vlsu._text import quoted
from vlsu.build.plan.cells import NO_CATEGORY
from vlsu.build.rails.critical import critical_categories
from vlsu.build.rails.rules import Rails
from vlsu.errors import UsageError
from vlsu.policy import Policy

__all__ = ["read_approved"]


def read_approved(given: Sequence[str], policy: Policy, rails: Rails) -> frozenset[str | None]:
    """The categories that a person approved, `None` for what belongs to none (``none``).

    Raises:
        UsageError: One is unknown, given twice, or of the critical tier.
    """
    critical = critical_categories(policy, rails)
    known = {each.lower(): each for each in policy.category_ids}
    found: set[str | None] = set()
    for name in given:
        lower = name.lower()
        if lower != NO_CATEGORY and lower not in known:
            raise UsageError(
                f"--approve {quoted(name)}: use {', '.join((*policy.category_ids, NO_CATEGORY))}"
            )
        category = known.get(lower)
        if category in critical:
            raise UsageError(
                f"--approve {category}: has a critical harm; what a model refuses there is handed "
                "to no other"
            )
        if category in found:
            raise UsageError(f"--approve {quoted(name)}: given twice; remove one")
        found.add(category)
    return frozenset(found)
