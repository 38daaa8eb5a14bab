"""Digests sorted into arrays: how an index holds those that are many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["SortedDigests", "numbers_in", "with_another"]

_Words = npt.NDArray[np.uint64]
_Numbers = npt.NDArray[np.int64]


class SortedDigests(NamedTuple):
    """Digests of 128 bits sorted by their first half.

    Attributes:
        heads: The first 64 bits of each.
        tails: The others.
        numbers: The rows' numbers.
    """

    heads: _Words
    tails: _Words
    numbers: _Numbers

    @classmethod
    def of(cls, digests: bytes | bytearray, numbers: Sequence[int]) -> SortedDigests:
        """Digests that stand one after another, with their numbers."""
        words = np.frombuffer(digests, ">u8")
        heads = words[::2].astype(np.uint64)
        order = np.argsort(heads, kind="stable")
        tails = words[1::2][order].astype(np.uint64)
        return cls(heads[order], tails, np.fromiter(numbers, np.int64, len(numbers))[order])


def with_another(runs: tuple[SortedDigests, ...], run: SortedDigests) -> tuple[SortedDigests, ...]:
    """One more run; those of like size are merged, so that there are few."""
    while runs and len(runs[-1].heads) <= 2 * len(run.heads):
        heads, tails, numbers = (np.concatenate(pair) for pair in zip(runs[-1], run, strict=True))
        order = np.argsort(heads, kind="stable")
        run = SortedDigests(heads[order], tails[order], numbers[order])
        runs = runs[:-1]
    return (*runs, run)


def numbers_in(runs: Iterable[SortedDigests], digests: bytes) -> list[int]:
    """The number of each digest in one of these runs, in their order; 0 for the others."""
    words = np.frombuffer(digests, ">u8").astype(np.uint64)
    heads, tails = words[::2], words[1::2]
    found = np.zeros(len(heads), np.int64)
    if len(heads):
        for run in runs:
            _find(run, heads, tails, found)
    numbers: list[int] = found.tolist()
    return numbers


def _find(run: SortedDigests, heads: _Words, tails: _Words, found: _Numbers) -> None:
    """Put in the numbers of what this run has."""
    sorted_heads, sorted_tails, numbers = run
    order = np.argsort(heads)  # in their order they are found in a quarter of the time
    places = np.empty(len(heads), np.int64)
    places[order] = np.searchsorted(sorted_heads, heads[order])
    np.minimum(places, len(sorted_heads) - 1, out=places)
    alike = sorted_heads[places] == heads
    same = alike & (sorted_tails[places] == tails)
    found[same] = numbers[places[same]]
    for each in np.flatnonzero(alike & ~same):  # digests that share their first 64 bits
        place = int(places[each])
        while place < len(sorted_heads) and sorted_heads[place] == heads[each]:
            if sorted_tails[place] == tails[each]:
                found[each] = numbers[place]
                break
            place += 1
