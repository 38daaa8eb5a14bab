"""The policy as the scripts of the pages have it."""

from __future__ import annotations

from typing import Any

from vlsu.policy import Policy

__all__ = ["policy_setup"]


def policy_setup(policy: Policy) -> dict[str, Any]:
    """Its texts: severities, the rule of pairs, tie-breaks, and each category's lines."""
    return {
        "language": policy.language,
        "severities": {each.label: text for each, text in policy.severities.items()},
        "joint": policy.joint,
        "boundary": policy.boundary,
        "categories": [
            {
                "id": each.id,
                "name": each.name,
                "description": each.description,
                "severities": {
                    severity.label: {"image": shown.image, "text": shown.text}
                    for severity, shown in each.severities.items()
                },
            }
            for each in policy.categories
        ],
    }
