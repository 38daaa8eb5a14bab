"""Severity, category, pattern, policy: the words everything else is said in."""

from vlsu.policy.pattern import PATTERNS, Family, Pattern
from vlsu.policy.policy import (
    MODALITIES,
    Category,
    Descriptions,
    Policy,
    default_policy,
    default_policy_text,
    load_policy,
    parse_policy,
)
from vlsu.policy.severity import NOT_SURE, Severity

__all__ = [
    "MODALITIES",
    "NOT_SURE",
    "PATTERNS",
    "Category",
    "Descriptions",
    "Family",
    "Pattern",
    "Policy",
    "Severity",
    "default_policy",
    "default_policy_text",
    "load_policy",
    "parse_policy",
]
