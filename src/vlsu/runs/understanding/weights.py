"""The weights of errors that a run's metrics are to have."""

from __future__ import annotations

from pathlib import Path

from vlsu._yaml import load_yaml
from vlsu.analysis.understanding.harm_weights import HarmWeights
from vlsu.errors import UsageError
from vlsu.policy import Policy
from vlsu.runs.record_schema import RunRecord

__all__ = ["load_weights", "recorded_weights"]


def load_weights(path: str | Path, policy: Policy) -> HarmWeights:
    """Weights from a YAML file, whose categories are of this policy.

    Raises:
        UsageError: It cannot be read, or holds no weights; the message names file and entry.
    """
    tree = load_yaml(path, UsageError)
    try:
        weights = HarmWeights.of(tree, policy.category_ids)
        _require_severities(weights, policy)
    except UsageError as error:
        raise UsageError(f"--weights {path}: {error}") from None
    return weights


def _require_severities(weights: HarmWeights, policy: Policy) -> None:
    """Refuse costs of what a policy does not have.

    Raises:
        UsageError: There is such a cost.
    """
    known = [severity.label for severity in policy.severities]
    for gold, row in weights.severities.items():
        for called, cost in row.items():
            for severity in (gold, called):
                if cost and severity not in (*known, "none"):
                    raise UsageError(
                        f"severities.{gold}.{called}: policy {policy.name} has no {severity}; "
                        "remove it"
                    )


def recorded_weights(record: RunRecord) -> HarmWeights | None:
    """The weights a run was made with; `None` if it had none."""
    weights = record.get("weights")
    return None if weights is None else HarmWeights.of(weights)
