"""Draws that a seed decides: the same for the same names, on every machine."""

from __future__ import annotations

import hashlib

__all__ = ["SPAN", "fraction", "integer"]

#: Integers are below this; twice as much still fits the databases' 64 bits with a sign.
SPAN = 2**61


def integer(seed: int, *names: object) -> int:
    """A number from 0 to `SPAN` - 1.

    Args:
        seed: Of the project.
        names: What is drawn.

    Example:
        >>> integer(0, "rank", "s1", 1) == integer(0, "rank", "s1", 1)
        True
    """
    text = "\x00".join(map(str, (seed, *names)))
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % SPAN


def fraction(seed: int, *names: object) -> float:
    """A number from 0 up to 1, 1 excluded."""
    return (integer(seed, *names) >> 8) / (SPAN >> 8)
