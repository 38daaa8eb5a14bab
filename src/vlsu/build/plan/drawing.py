"""Orders that are drawn by a seed: the same in every start, on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

__all__ = ["rank", "shuffled"]


def rank(salt: str, name: object) -> bytes:
    """By which something is ordered: SHA-256 of the salt and its name.

    Args:
        salt: The seed, and what is drawn.
        name: Of one thing.
    """
    return hashlib.sha256(f"{salt}\0{name}".encode()).digest()


def shuffled(names: Iterable[str], salt: str) -> list[str]:
    """Names in an order that is drawn by a salt.

    Example:
        >>> shuffled("abc", "0") == shuffled("cba", "0"), sorted(shuffled("abc", "1"))
        (True, ['a', 'b', 'c'])
    """
    return sorted(names, key=lambda each: rank(salt, each))
