"""Hashed n-grams of an answer's characters, by the part of it that they stand in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["BUCKETS", "GRAMS", "gram_buckets", "gram_hashes"]

#: Buckets of the hashed n-grams of each part of an answer: its opening, the rest, and what stands
#: before and after its first words of declining.
BUCKETS: Mapping[str, int] = {
    "opening": 1 << 13,
    "rest": 1 << 12,
    "before": 1 << 10,
    "after": 1 << 11,
}
#: How many there are in all.
GRAMS = sum(BUCKETS.values())
_GRAM_LENGTHS = (2, 3, 4, 5)  # each one more than the one before
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def gram_hashes(text: str) -> dict[int, NDArray[np.uint64]]:
    """The hashed n-grams of a text.

    Returns:
        Length of n-grams -> a hash of each, by where it begins; shape (len(text) - length + 1,).
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    hashes = codes.astype(np.uint64)
    found = {}
    for length in _GRAM_LENGTHS:
        # A rolling polynomial over code points, unsigned and wrapping: the same on every machine.
        hashes = hashes[:-1] * _MULTIPLIER + codes[length - 1 :]
        found[length] = (hashes ^ (hashes >> np.uint64(29))) * _MULTIPLIER
    return found


def gram_buckets(
    hashes: Mapping[int, NDArray[np.uint64]], parts: Mapping[str, tuple[int, int]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Increasing buckets of the n-grams that lie within each part, and their values.

    Args:
        hashes: From `gram_hashes`.
        parts: Where each part of `BUCKETS` begins and ends; one that is left out is empty.

    Returns:
        Numbers below `GRAMS`, and as many values: those of a part have length 1 together.
    """
    held = np.zeros(GRAMS, dtype=bool)
    offset = 0
    weights = []
    for name, buckets in BUCKETS.items():
        begin, end = parts.get(name, (0, 0))
        shift = np.uint64(64 - (buckets.bit_length() - 1))
        here = held[offset : offset + buckets]
        for length, mixed in hashes.items():
            here[mixed[begin : max(begin, end - length + 1)] >> shift] = True
        found = int(np.count_nonzero(here))
        weights.append(np.full(found, 1 / np.sqrt(max(found, 1))))
        offset += buckets
    return np.flatnonzero(held), np.concatenate(weights)
