"""Guard models, as judges of answers and as graders of content: formats, and their parsing."""

from __future__ import annotations

from vlsu.models.guards.families import FAMILIES, GuardFamily, find_family
from vlsu.models.guards.grading.base import ContentFamily
from vlsu.models.guards.grading.families import GRADERS, find_grader
from vlsu.models.guards.grading.model import ContentGuard
from vlsu.models.guards.provider import GuardModel, guard_model
from vlsu.models.guards.reading import GuardVerdict

__all__ = [
    "FAMILIES",
    "GRADERS",
    "ContentFamily",
    "ContentGuard",
    "GuardFamily",
    "GuardModel",
    "GuardVerdict",
    "find_family",
    "find_grader",
    "guard_model",
]
