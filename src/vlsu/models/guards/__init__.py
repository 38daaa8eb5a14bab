"""Guard models as judges: the prompt format of each family, and the parsing of its output."""

from __future__ import annotations

from vlsu.models.guards.families import FAMILIES, GuardFamily, find_family
from vlsu.models.guards.provider import GuardModel, guard_model
from vlsu.models.guards.reading import GuardVerdict

__all__ = [
    "FAMILIES",
    "GuardFamily",
    "GuardModel",
    "GuardVerdict",
    "find_family",
    "guard_model",
]
