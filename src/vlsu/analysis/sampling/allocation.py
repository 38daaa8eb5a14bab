"""Allocation: how many samples to draw from each stratum.

The strata are the triples of gold grades (the patterns, and those with a grade missing), each split
at random into two halves. What one half showed decides how the *other* half is drawn. Were a
stratum's size decided by its own answers, its mean would be biased: a pilot that happens to be all
right stops the drawing there, and the lucky draw stays in the estimate. With the halves crossed,
sizes and answers are independent and every estimated total is unbiased, whatever the pilot says.
"""

from __future__ import annotations

import math

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.table.cells import ABSENT
from vlsu.policy import Severity

__all__ = [
    "LEAST",
    "LEAST_DEVIATION",
    "STRATA",
    "crossed_sizes",
    "deviations",
    "neyman",
    "pilot_size",
    "proportional_sizes",
    "smallest_size",
    "stratum_name",
    "stratum_of",
]

#: Triples of gold grades, a missing one included.
STRATA = (ABSENT + 1) ** 3

#: Samples drawn from each half of each stratum, as far as it has them: a variance needs two.
LEAST = 2

#: Samples drawn in proportion before the sizes are decided, or an eighth of a small dataset; the
#: same for every budget, so that a larger one contains the smaller. Larger pilots hardly decide
#: better.
_PILOT = 300

#: The least standard deviation a stratum is taken to have: that of a rate of 7%. Another metric
#: than the one drawn for may vary where that one does not.
LEAST_DEVIATION = 0.25


def stratum_of(gold: IntArray) -> IntArray:
    """Number of the stratum, 0 .. `STRATA` - 1.

    Args:
        gold: Severities of image, text and joint, or `ABSENT`; shape ``(..., 3)``.
    """
    number: IntArray = gold @ np.array([(ABSENT + 1) ** 2, ABSENT + 1, 1])
    return number


def stratum_name(number: int) -> str:
    """``"S-S-U"``; ``?`` stands for a missing grade.

    Example:
        >>> stratum_name(int(stratum_of(np.array([0, 0, 2]))))
        'S-S-U'
    """
    base = ABSENT + 1
    grades = (number // base**2, number // base % base, number % base)
    return "-".join("?" if g == ABSENT else Severity(g).letter for g in grades)


def neyman(population: IntArray, deviation: FloatArray, size: int, least: IntArray) -> IntArray:
    """Sizes of the strata that make the variance of an estimated total least.

    Neyman's (1934) n_h in proportion to N_h S_h, in whole numbers exactly (Wright 2012): the next
    sample goes to the stratum with the largest N_h S_h / sqrt(n_h (n_h + 1)). So a larger size
    never takes a sample from any stratum, and a stratum that is exhausted gets no more.

    Args:
        population: N_h, samples there are; shape ``(H,)``.
        deviation: S_h, standard deviation within the stratum, above 0; shape ``(H,)``.
        size: Samples to draw in all; cut to those there are.
        least: Of each stratum at least this many, from 1 to N_h, or 0 where N_h is 0; ``(H,)``.

    Returns:
        n_h, at least `least`, at most N_h; the sum is `size` where that is possible.

    Example:
        >>> population, deviation = np.array([1000, 1000]), np.array([0.5, 0.25])
        >>> neyman(population, deviation, 90, least=np.array([2, 2])).tolist()
        [60, 30]
    """
    room = population - least
    stratum = np.repeat(np.arange(len(population)), room)
    taken = np.arange(len(stratum)) - np.repeat(np.cumsum(room) - room, room) + least[stratum]
    priority = (population * deviation)[stratum] / np.sqrt(taken * (taken + 1.0))
    next_ones = np.argsort(-priority, kind="stable")[: max(0, size - int(least.sum()))]
    more: IntArray = np.bincount(stratum[next_ones], minlength=len(population))
    return least + more


def smallest_size(least: IntArray) -> int:
    """The smallest size that can be drawn.

    Args:
        least: Samples to draw of each half of each stratum at least, shape ``(2, H)``.
    """
    return int(2 * least.sum(axis=1).max())


def pilot_size(population: IntArray, least: IntArray) -> int:
    """Samples to draw before the sizes are decided.

    Args:
        population: Samples there are, shape ``(2, H)``.
        least: Samples to draw of each at least; the same shape.
    """
    return max(smallest_size(least), min(_PILOT, int(population.sum()) // 8))


def proportional_sizes(population: IntArray, size: int, least: IntArray) -> IntArray:
    """Sizes in proportion to the strata, but at least `least`; all of shape ``(2, H)``."""
    halves = (math.ceil(size / 2), size // 2)
    return _by_half(population, halves, np.ones(population.shape), least)


def crossed_sizes(
    population: IntArray, halves: tuple[int, int], deviation: FloatArray, least: IntArray
) -> IntArray:
    """Neyman's sizes, of each half by the deviations that the other half showed.

    Args:
        population: Samples there are, by half and stratum; shape ``(2, H)``.
        halves: Samples to draw from each half.
        deviation: What each half showed, shape ``(2, H)``.
        least: Drawn already; shape ``(2, H)``.
    """
    return _by_half(population, halves, deviation[::-1], least)


def _by_half(
    population: IntArray, halves: tuple[int, int], deviation: FloatArray, least: IntArray
) -> IntArray:
    return np.stack(
        [neyman(*each) for each in zip(population, deviation, halves, least, strict=True)]
    )


def deviations(hits: FloatArray | IntArray, judged: FloatArray | IntArray) -> FloatArray:
    """Standard deviations of right and wrong within strata, from few samples, in [0.25, 0.5].

    The share is that of one more hit and one more miss (Laplace's rule of succession), so that a
    stratum that was all right in the pilot is not taken to be all right.

    Args:
        hits: Samples judged right, any shape.
        judged: Samples judged, the same shape; where there are none the deviation is 0.5.

    Example:
        >>> deviations(np.array([5, 0, 2]), np.array([5, 0, 4])).round(3).tolist()
        [0.35, 0.5, 0.5]
    """
    share = (hits + 1) / (judged + 2)
    return np.maximum(np.sqrt(share * (1 - share)), LEAST_DEVIATION)
