"""The guards that grade content, by family."""

from __future__ import annotations

from vlsu.errors import UsageError
from vlsu.models.guards.families import FAMILIES
from vlsu.models.guards.grading import (
    gpt_oss_safeguard,
    granite_guardian,
    guard_reasoner,
    llama_guard,
    llavaguard,
    nemotron,
    openai_moderation,
    qwen3guard,
    shieldgemma,
    shieldstral,
    singguard,
    wildguard,
)
from vlsu.models.guards.grading.base import ContentFamily
from vlsu.models.guards.names import match_family

__all__ = ["FAMILY_NAMES", "GRADERS", "find_grader"]

#: In the order in which model names are matched: specific families first.
GRADERS: tuple[ContentFamily, ...] = (
    qwen3guard.FAMILY,
    wildguard.WILDGUARD,
    wildguard.POLYGUARD,
    llama_guard.FAMILY,
    llama_guard.VISION,
    llama_guard.TEXT,
    granite_guardian.FAMILY,
    granite_guardian.GRANITE_3,
    gpt_oss_safeguard.FAMILY,
    llavaguard.FAMILY,
    shieldgemma.FAMILY,
    guard_reasoner.FAMILY,
    nemotron.FAMILY_3_5,
    nemotron.FAMILY,
    shieldstral.FAMILY,
    singguard.FAMILY,
    openai_moderation.FAMILY,
)

#: Of both roles, those of judges first: what may stand before the colon of a SPEC.
FAMILY_NAMES: tuple[str, ...] = tuple(
    dict.fromkeys([*(each.name for each in FAMILIES), *(each.name for each in GRADERS)])
)


def find_grader(name: str) -> tuple[ContentFamily, str]:
    """The family of a guard that grades content, and the model's name on its server.

    Args:
        name: ``FAMILY:MODEL``, a model name that identifies its family, or of a family with one
            model the family's name.

    Raises:
        UsageError: The family is neither given nor identified by the name.
    """
    family, model = match_family(name, GRADERS, FAMILY_NAMES)
    if family is None:
        listed = ", ".join(each.name for each in GRADERS)
        raise UsageError(
            f"guard/{name}: the name identifies no family that grades content; write "
            f"guard/FAMILY:{name} with one of {listed}"
        )
    return family, family.model if model == family.name and family.model else model
