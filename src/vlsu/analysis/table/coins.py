"""Fair coins, the same that NumPy would toss, in a fraction of its time.

NumPy draws the heads among up to `_FEW` coins by inversion of one uniform number (Kachitvichyanukul
and Schmeiser 1988, algorithm BINV): it takes the chances of 0, 1, 2, … heads off the number as long
as it is larger. Rounding keeps the order of numbers, so the heads grow with the number, and the
least number with so many heads is found once for all draws. Of a single coin it is a half.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray

__all__ = ["fair_coins", "tossed_sums"]

#: As many coins NumPy tosses by inversion: the mean is 30 at most.
_FEW = 60
#: Uniform numbers are multiples of one in so many.
_UNITS = 2**53
#: More units than NumPy's chances of so many heads or fewer are off by rounding.
_ROUNDED = 2**12
#: Parts of the numbers from 0 to 1 in which heads are looked up.
_CELLS = 4096
#: Added to the heads at the beginning of a part in which they change.
_CHANGES = 64
#: Numbers drawn at once: they stay in the cache.
_BLOCK = 1 << 17
#: Multiplications at once: NumPy leaves more to several cores, which wait for each other.
_ONE_CORE = 1 << 18
#: Whole numbers up to here are exact in single precision.
_SINGLE = 1 << 24

_Narrow = np.ndarray[Any, np.dtype[np.int8]]


def tossed_sums(
    coins: IntArray, gained: FloatArray, times: int, rng: np.random.Generator
) -> FloatArray:
    """What the heads among some fair coins add up to, many times; whole numbers, ``(times, F)``.

    Args:
        coins: Of each entry, at least 1; shape ``(k,)``.
        gained: What a head of each entry adds, whole numbers; shape ``(k, F)``.
        times: How often.
        rng: Of the draws, those of `fair_coins`.
    """
    largest = (coins @ np.abs(gained)).max(initial=0)
    gained = gained.astype(np.float32 if largest <= _SINGLE else np.float64)
    sums = np.zeros((times, gained.shape[1]))
    first = 0
    for heads in fair_coins(coins, times, rng):
        exact = heads.astype(gained.dtype, copy=False)
        step = max(1, _ONE_CORE // max(1, len(heads) * gained.shape[1]))
        for start in range(0, len(coins), step):
            some = slice(start, start + step)
            sums[first : first + len(heads)] += exact[:, some] @ gained[some]
        first += len(heads)
    return sums


def fair_coins(
    coins: IntArray, times: int, rng: np.random.Generator
) -> Iterator[np.ndarray[Any, np.dtype[Any]]]:
    """Heads among some fair coins, many times: ``rng.binomial(coins, 0.5)``, the same draws.

    Args:
        coins: Of each entry, at least 1; shape ``(k,)``.
        times: How often.
        rng: Of the draws.

    Yields:
        Whole numbers, shape ``(some, k)``, `times` in all.

    Example:
        >>> coins = np.array([1, 7, 1, 60])
        >>> (ours,) = fair_coins(coins, 3, np.random.default_rng(0))
        >>> theirs = np.random.default_rng(0).binomial(coins, 0.5, size=(3, 4))
        >>> bool((ours == theirs).all())
        True
    """
    few = bool((coins <= _FEW).all())
    several = np.flatnonzero(coins > 1)
    at_once = max(1, _BLOCK // max(1, len(coins)))
    for start in range(0, times, at_once):
        shape = (min(at_once, times - start), len(coins))
        state = rng.bit_generator.state if few else None
        heads = _inverted(rng.random(shape), coins, several) if few else None
        if heads is None:
            if state is not None:  # a number so near to 1 that NumPy draws another: once in 2**50
                rng.bit_generator.state = state
            yield rng.binomial(coins, 0.5, size=shape)
        else:
            yield heads


def _inverted(
    drawn: FloatArray, coins: IntArray, several: IntArray
) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    """Heads by inversion of uniform numbers, or `None` if one is beyond all of the coins.

    Args:
        drawn: The numbers, shape ``(some, k)``.
        coins: Shape ``(k,)``.
        several: Entries of more than one coin.
    """
    heads = (drawn > 0.5).astype(np.float32)  # of a single coin
    if not several.size:
        return heads
    least, table = _least(), _heads_by_cell()
    numbers = drawn[:, several]
    cell = (numbers * _CELLS).astype(np.int32)
    cell += (coins[several] * _CELLS).astype(np.int32)
    found = table.take(cell)
    flat = found.reshape(-1)
    changing = np.flatnonzero(flat >= _CHANGES)
    if changing.size:
        row = coins[several][changing % len(several)]
        number, there = numbers.reshape(-1)[changing], flat[changing].astype(np.int64) - _CHANGES
        while (more := number >= least[row, there]).any():
            there += more
        if (there > row).any():
            return None
        flat[changing] = there
    heads[:, several] = found
    return heads


@cache
def _least() -> FloatArray:
    """The least uniform number that NumPy makes more than so many heads, by coins and heads.

    Where none does, and beyond the coins, it is infinite; shape ``(_FEW + 1, _FEW + 2)``. One head
    more than there are coins stands for another draw.
    """
    coins = np.arange(_FEW + 1)[:, None]
    heads = np.arange(_FEW + 1)
    chances = [[math.comb(n, k) / 2**n for k in heads.tolist()] for n in coins[:, 0].tolist()]
    about = np.round(np.cumsum(chances, axis=1) * _UNITS).astype(np.int64)
    low, high = about - _ROUNDED, about + _ROUNDED
    while (high - low > 1).any():
        middle = (low + high) // 2
        more = _heads(middle / _UNITS, coins) > heads
        low, high = np.where(more, low, middle), np.where(more, middle, high)
    least = np.full((_FEW + 1, _FEW + 2), np.inf)
    least[:, :-1] = np.where((heads <= coins) & (high < _UNITS), high / _UNITS, np.inf)
    return least


def _heads(numbers: FloatArray, coins: IntArray) -> IntArray:
    """Heads of uniform numbers, step by step as NumPy does, so that rounding is the same.

    Args:
        numbers: Shape ``(k, m)``.
        coins: Of each row; shape ``(k, 1)``.
    """
    left = numbers.copy()
    found = np.zeros(left.shape, dtype=np.int64)
    chance = np.array([[math.exp(n * math.log(0.5))] for n in coins[:, 0].tolist()])
    for number in range(1, int(coins.max()) + 2):
        more = left > chance
        found += more
        # What is not beyond this number of heads is beyond no more.
        left = np.where(more, left - chance, -1.0)
        chance = (coins - number + 1) * 0.5 * chance / (number * 0.5)
    return found


@cache
def _heads_by_cell() -> _Narrow:
    """Heads by coins and part of the numbers, `_CHANGES` more where they change within it."""
    edges = np.arange(_CELLS + 1) / _CELLS
    table = np.empty((_FEW + 1, _CELLS), dtype=np.int8)
    for row, least in zip(table, _least(), strict=True):
        first = np.searchsorted(least, edges[:-1], side="right")
        last = np.searchsorted(least, edges[1:], side="left")
        row[:] = first + _CHANGES * (first < last)
    return table.reshape(-1)
