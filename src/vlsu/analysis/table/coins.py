"""Fair coins: heads among the bits of random numbers.

A fair coin is one random bit, so that the heads among a few coins are the ones among as many bits
of a random number, which a processor counts in one step. Drawing them from a binomial distribution
takes many times as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray

__all__ = ["heads_of", "tossed_sums"]

#: Bits of the numbers that coins are taken from; more coins are drawn from their distribution.
_BITS = (1, 8, 16, 32, 64)
#: Entries tossed at once: they stay in the cache.
_BLOCK = 1 << 17
#: Multiplications at once: NumPy leaves more to several cores, which wait for each other.
_ONE_CORE = 1 << 18
#: Whole numbers up to here are exact in single precision.
_SINGLE = 1 << 24

_Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]
_Heads = np.ndarray[Any, np.dtype[np.integer[Any]]]


def tossed_sums(
    coins: IntArray, gained: FloatArray, times: int, rng: np.random.Generator
) -> FloatArray:
    """What the heads among some fair coins add up to, many times; whole numbers, ``(times, F)``.

    Args:
        coins: Of each entry, at least 1; shape ``(k,)``.
        gained: What a head of each entry adds, whole numbers; shape ``(k, F)``.
        times: How often.
        rng: Of the draws.
    """
    largest = (coins @ np.abs(gained)).max(initial=0)
    gained = gained.astype(np.float32 if largest <= _SINGLE else np.float64)
    sums = np.zeros((times, gained.shape[1]))
    width = np.searchsorted(_BITS, coins)
    for number in range(len(_BITS) + 1):
        entries = np.flatnonzero(width == number)
        for first in range(0, len(entries), _BLOCK):
            some = entries[first : first + _BLOCK]
            tossed, each, rows = coins[some], gained[some], _BLOCK // len(some)
            for start in range(0, times, rows):
                heads = heads_of(tossed, min(rows, times - start), rng)
                sums[start : start + rows] += _product(heads.astype(gained.dtype), each)
    return sums


def _product(heads: _Floats, gained: _Floats) -> _Floats:
    """Their matrix product, some rows at a time."""
    step = max(1, _ONE_CORE // max(1, gained.size))
    return np.concatenate([heads[i : i + step] @ gained for i in range(0, len(heads), step)])


def heads_of(coins: IntArray, times: int, rng: np.random.Generator) -> _Heads:
    """Heads among some fair coins, many times; whole numbers, ``(times, k)``.

    Args:
        coins: Of each entry, at least 1; shape ``(k,)``.
        times: How often.
        rng: Of the draws.

    Example:
        >>> heads = heads_of(np.array([1, 7, 20]), 4, np.random.default_rng(0))
        >>> heads.shape, bool((heads <= [1, 7, 20]).all())
        ((4, 3), True)
    """
    bits = next((bits for bits in _BITS if bits >= coins.max(initial=1)), None)
    if bits is None:
        return rng.binomial(coins, 0.5, size=(times, len(coins)))
    size = times * len(coins)
    words = rng.integers(0, 2**64, -(-size * bits // 64), dtype=np.uint64)
    if bits == 1:
        return np.unpackbits(words.view(np.uint8), count=size).reshape(times, -1)
    numbers = words.view(f"u{bits // 8}")[:size].reshape(times, -1)
    used = (2**64 - 1 >> (64 - coins).astype(np.uint64)).astype(numbers.dtype)
    heads: _Heads = np.bitwise_count(numbers & used)
    return heads
