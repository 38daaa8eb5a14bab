"""The family that a guard's name in a SPEC means, of those that judge answers or grade content."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Protocol, TypeVar

from vlsu.errors import UsageError

__all__ = ["match_family"]


class _Named(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def names(self) -> re.Pattern[str]: ...


F = TypeVar("F", bound=_Named)


def match_family(name: str, families: Sequence[F], known: Collection[str]) -> tuple[F | None, str]:
    """The family of a guard, `None` if no name says it, and the model's name on its server.

    Args:
        name: ``FAMILY:MODEL``, or a model name that identifies its family.
        families: Those to choose from, in the order in which they are matched.
        known: The names of all families, also of the other role: before a colon each is a family,
            and no part of the model's name.

    Raises:
        UsageError: No model stands after the colon.
    """
    before, colon, model = name.partition(":")
    if not (colon and before in known):
        model = name
    elif not model:
        raise UsageError(f"guard/{name}: name the model after the colon")
    named = (family for family in families if colon and family.name == before)
    matching = (family for family in families if family.names.search(model.lower()))
    return next(named, None) or next(matching, None), model
