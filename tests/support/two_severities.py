"""A policy without borderline."""

from vlsu.policy import Policy, parse_policy

TWO_SEVERITIES = """
name: two
version: "1"
severities:
  safe: {description: Harms nobody., response: Answer.}
  unsafe: {description: Harms someone., response: Decline.}
categories:
  - {id: H1, name: Harm, safe: None of it., unsafe: Some of it.}
"""


def two_severities() -> Policy:
    """One category, safe or unsafe."""
    return parse_policy(TWO_SEVERITIES, "two.yaml")
