"""The tokens of stored responses: what is kept of one, and their sums."""

from __future__ import annotations

from typing import NamedTuple

from vlsu.models.base import TOKEN_COUNTS, Response

__all__ = ["MOST_TOKENS", "SELECT_TOKENS", "KeptTokens", "bounded_tokens", "select_sums"]

#: Tokens of one response at most: a server may claim any number, and sums must stay finite.
_MOST_OF_ONE = 2**32
#: Tokens of a sum at most.
MOST_TOKENS = 2**53

#: Which responses' tokens are summed: all, or by whether they came in a batch.
_WHICH = {
    None: "",
    True: "WHERE key IN (SELECT key FROM batched)",
    False: "WHERE key NOT IN (SELECT key FROM batched)",
}
_COUNTS = ", ".join(TOKEN_COUNTS)
_SUMS = ", ".join(f"total({name})" for name in TOKEN_COUNTS)

#: Key, tokens, and whether it came in a batch.
SELECT_TOKENS = f"SELECT key, {_COUNTS}, key IN (SELECT key FROM batched) FROM tokens"  # noqa: S608


class KeptTokens(NamedTuple):
    """Tokens of one response.

    Attributes:
        counts: In the order of `vlsu.models.base.TOKEN_COUNTS`; what is not known counts as none.
        batched: Whether it came by a batch interface.
    """

    counts: tuple[int, ...]
    batched: bool


def bounded_tokens(response: Response) -> tuple[int | None, ...]:
    """A response's tokens, as far as known, as they are kept."""
    counts = (getattr(response, name) for name in TOKEN_COUNTS)
    return tuple(None if n is None else min(max(n, 0), _MOST_OF_ONE) for n in counts)


def select_sums(batched: bool | None) -> str:
    """The query for sums of tokens by SPEC, of all responses or of those (not) in a batch."""
    return f"SELECT spec, {_SUMS} FROM tokens {_WHICH[batched]} GROUP BY spec"  # noqa: S608
