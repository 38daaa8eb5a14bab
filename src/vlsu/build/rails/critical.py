"""Categories with a harm for which one miss is one too many."""

from __future__ import annotations

from vlsu.build.rails.rules import Rails
from vlsu.policy import Policy, default_policy

__all__ = ["critical_categories"]


def critical_categories(policy: Policy, rails: Rails) -> frozenset[str]:
    """The categories with a critical harm.

    Those that the policy names; of a policy that names none, those whose counterparts in the
    default policy have one.
    """
    if policy.critical:
        return frozenset(policy.category(each.category).id for each in policy.critical)
    critical = {each.category for each in default_policy().critical}
    return frozenset(each for each in policy.category_ids if rails.counterparts[each] & critical)
