"""The tokens of stored responses: what is kept of one, and the statements that read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from vlsu.models.base import TOKEN_COUNTS, Response

__all__ = [
    "ASKED",
    "BATCHED",
    "COUNTS",
    "FORMER_SUMS",
    "MOST_TOKENS",
    "REMOVED_SUMS",
    "SUMS",
    "TAKEN_OVER",
    "KeptTokens",
    "bounded_tokens",
    "kept_tokens",
]

#: How a response came: asked by itself, by a batch interface, or out of another store.
ASKED, BATCHED, TAKEN_OVER = 0, 1, 2

#: Tokens of one response at most: a server may claim any number, and sums must stay finite.
_MOST_OF_ONE = 2**32
#: Tokens of a sum at most.
MOST_TOKENS = 2**53

#: The counts as columns, and their sums by SPEC.
COUNTS = ", ".join(TOKEN_COUNTS)
_SUMS = ", ".join(f"total({name})" for name in TOKEN_COUNTS)
SUMS = f"SELECT spec, {_SUMS} FROM response_tokens WHERE {{which}} GROUP BY spec"  # noqa: S608
FORMER_SUMS = f"SELECT spec, {_SUMS} FROM tokens WHERE {{which}} GROUP BY spec"  # noqa: S608
#: The same of what was removed.
REMOVED_SUMS = f"SELECT spec, {_SUMS} FROM removed_tokens WHERE {{which}} GROUP BY spec"  # noqa: S608


class KeptTokens(NamedTuple):
    """Tokens of one response.

    Attributes:
        counts: In the order of `vlsu.models.base.TOKEN_COUNTS`; what is not known counts as none.
        batched: Whether it came by a batch interface.
        taken_over: Whether it came out of another store, so that another run has paid for it.
    """

    counts: tuple[int, ...]
    batched: bool
    taken_over: bool


def bounded_tokens(response: Response) -> tuple[int | None, ...]:
    """A response's tokens, as far as known, as they are kept."""
    counts = (getattr(response, name) for name in TOKEN_COUNTS)
    return tuple(None if n is None else min(max(n, 0), _MOST_OF_ONE) for n in counts)


def kept_tokens(row: Sequence[object]) -> KeptTokens:
    """The tokens in a row of key, SPEC, origin and counts."""
    _, _, origin, *counts = row
    numbers = tuple(n if isinstance(n, int) else 0 for n in counts)
    return KeptTokens(numbers, origin == BATCHED, origin == TAKEN_OVER)
