"""What models that write are to answer with, and why there is nothing where they do not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from vlsu.models.base import Outcome

__all__ = ["NOTHING_WRITTEN", "declared_kinds", "kinds_schema", "object_schema"]

#: Why a record holds nothing, by the outcome of its request.
NOTHING_WRITTEN: Mapping[Outcome, str] = {
    Outcome.REFUSED: "refused by the model",
    Outcome.BLOCKED: "blocked by the provider",
    Outcome.UNPARSED: "answer cannot be read",
}


def object_schema(properties: Mapping[str, object]) -> dict[str, Any]:
    """The JSON schema of an object with exactly these properties."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def kinds_schema(kinds: Collection[str]) -> dict[str, Any]:
    """The JSON schema of a truth value for each kind of the rails."""
    return object_schema({kind: {"type": "boolean"} for kind in kinds})


def declared_kinds(tree: object, kinds: Collection[str]) -> dict[str, bool] | None:
    """Kind -> whether it holds, of what was written by `kinds_schema`; `None` of anything else."""
    if not isinstance(tree, dict) or set(tree) != set(kinds):
        return None
    if not all(isinstance(each, bool) for each in tree.values()):
        return None
    return {kind: tree[kind] for kind in kinds}
