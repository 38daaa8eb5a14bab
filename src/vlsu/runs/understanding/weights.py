"""The weights of errors that a run's metrics are to have."""

from __future__ import annotations

from pathlib import Path

from vlsu._yaml import load_yaml
from vlsu.analysis.understanding.weighted_harm import HarmWeights
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
        return HarmWeights.of(tree, policy.category_ids)
    except UsageError as error:
        raise UsageError(f"--weights {path}: {error}") from None


def recorded_weights(record: RunRecord) -> HarmWeights | None:
    """The weights a run was made with; `None` if it had none."""
    weights = record.get("weights")
    return None if weights is None else HarmWeights.of(weights)
