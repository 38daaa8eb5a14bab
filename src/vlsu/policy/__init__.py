"""Severities, categories, patterns, outcomes and policies: the terms of every other floor."""

from vlsu.policy.outcome import Outcome
from vlsu.policy.pattern import PATTERNS, Family, Pattern, patterns_of
from vlsu.policy.policy import (
    MODALITIES,
    POLICIES,
    Category,
    Descriptions,
    Policy,
    bundled_policy,
    default_policy,
    default_policy_text,
    known_policy,
    load_policy,
    parse_policy,
)
from vlsu.policy.response_kinds import REFUSAL_KINDS, REQUEST_SHARE, ResponseKind
from vlsu.policy.response_safety import ResponseSafety
from vlsu.policy.severity import NOT_SURE, SEVERITY_CODES, Severity

__all__ = [
    "MODALITIES",
    "NOT_SURE",
    "PATTERNS",
    "POLICIES",
    "REFUSAL_KINDS",
    "REQUEST_SHARE",
    "SEVERITY_CODES",
    "Category",
    "Descriptions",
    "Family",
    "Outcome",
    "Pattern",
    "Policy",
    "ResponseKind",
    "ResponseSafety",
    "Severity",
    "bundled_policy",
    "default_policy",
    "default_policy_text",
    "known_policy",
    "load_policy",
    "parse_policy",
    "patterns_of",
]
