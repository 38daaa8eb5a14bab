"""Racing instructions on two objectives: who goes on, and who is on the Pareto front.

Every candidate is a point: its over-blocking and its under-refusal, both to be small. No weights:
what is looked for is the Pareto front, the candidates that no other one equals or beats on both.

The race is successive halving (Jamieson and Talwalkar 2016): all candidates answer a few samples,
the better half goes on to twice as many, until few enough are left to answer them all. That rule is
for one objective. Here the half that goes on is the one that is missed most. What dropping a
candidate costs is its *replacement loss*: the most that is given up on either objective by taking
another in its place, the one where that is least (the additive epsilon indicator of Zitzler et al.
2003; the gap that Kone, Kaufmann and Richert 2024 eliminate by when they look for a Pareto set). It
is zero or below if and only if another is at least as good on both, so whatever is dominated goes
before anything on the front (as in the non-dominated sorting of Deb et al. 2002), and a front that
is too large is thinned where it is crowded.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray

__all__ = [
    "FINALISTS",
    "FIRST_RUNG",
    "Dropped",
    "Rung",
    "best_within",
    "pareto_front",
    "schedule",
    "thin_front",
]

#: Samples of a severity in the first rung, at least: below, chance decides who goes on.
FIRST_RUNG = 20
#: Finalists for each place among the winners: a front is found among more than it may hold.
FINALISTS = 2


@dataclass(frozen=True, slots=True)
class Rung:
    """A round of the race.

    Attributes:
        candidates: How many take part.
        samples: Of each severity, how many each of them has answered at its end, or all there are.
    """

    candidates: int
    samples: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """A candidate that is out.

    Attributes:
        index: Its row among the points.
        instead: Row of the one that replaces it at the least loss.
        change: The other's objectives minus its own; the larger one is the replacement loss.
    """

    index: int
    instead: int
    change: tuple[float, float]


def schedule(candidates: int, samples: int, keep: int) -> tuple[Rung, ...]:
    """The rungs of a race: candidates halve as samples double, the last rung has all samples.

    Args:
        candidates: How many begin, at least 1.
        samples: How many there are of the severity that has more, at least 1.
        keep: Places among the winners, at least 1. No rung has fewer than `FINALISTS` for each;
            the last has more where there are too few samples to halve as often as that takes.

    Returns:
        At least one rung.

    Example:
        >>> [(rung.candidates, rung.samples) for rung in schedule(16, samples=160, keep=2)]
        [(16, 40), (8, 80), (4, 160)]
    """
    finalists = FINALISTS * keep
    doublings = max(0, (samples // FIRST_RUNG).bit_length() - 1)
    sizes = [candidates]
    while sizes[-1] > finalists and len(sizes) <= doublings:
        sizes.append(max(finalists, -(-sizes[-1] // 2)))
    last = len(sizes) - 1
    return tuple(Rung(size, -(-samples // 2 ** (last - n))) for n, size in enumerate(sizes))


def pareto_front(points: FloatArray) -> BoolArray:
    """Which points no other one dominates: equals or betters on both, and betters on one.

    Args:
        points: Objectives to be small, shape ``(n, 2)``. Equal points dominate neither.

    Returns:
        Shape ``(n,)``.

    Example:
        >>> points = np.array([[0.1, 0.5], [0.2, 0.2], [0.5, 0.1], [0.5, 0.5]])
        >>> pareto_front(points).tolist()
        [True, True, True, False]
    """
    change = points[None, :] - points[:, None]
    better = (change.max(axis=2) <= 0) & (change.min(axis=2) < 0)
    front: BoolArray = ~np.logical_or.reduce(better, axis=1)
    return front


def thin_front(points: FloatArray, keep: int, protected: Set[int] = frozenset()) -> list[Dropped]:
    """Drop the point of the least replacement loss, one after another, until `keep` are left.

    Of equal losses the one goes whose replacement is better in sum, then the one that stands last.

    Args:
        points: Objectives to be small, shape ``(n, 2)``.
        keep: How many stay, at least 1.
        protected: Rows that are never dropped.

    Returns:
        Who was dropped, in that order; each replaced by one that was still there.

    Example:
        >>> points = np.array([[0.1, 0.5], [0.2, 0.2], [0.5, 0.1], [0.5, 0.5]])
        >>> [(each.index, each.instead) for each in thin_front(points, keep=2)]
        [(3, 1), (2, 1)]
    """
    # Rounded, so that rates that differ by as many samples are equally far apart.
    change = (points[None, :] - points[:, None]).round(12)
    loss, total = change.max(axis=2), change.sum(axis=2)
    np.fill_diagonal(loss, np.inf)
    alive = np.arange(len(points))
    dropped = []
    while len(alive) > keep:
        open_ = np.array([row for row in alive if row not in protected], dtype=np.int64)
        if not open_.size:
            break
        losses, totals = loss[np.ix_(open_, alive)], total[np.ix_(open_, alive)]
        totals = np.where(losses == losses.min(axis=1, keepdims=True), totals, np.inf)
        *_, place = np.lexsort((-open_, totals.min(axis=1), losses.min(axis=1)))[::-1]
        row, instead = int(open_[place]), int(alive[totals[place].argmin()])
        first, second = change[row, instead]
        dropped.append(Dropped(row, instead, (float(first), float(second))))
        alive = alive[alive != row]
    return dropped


def best_within(points: FloatArray, bound: float) -> int | None:
    """The row of the smallest first objective among those whose second is at most `bound`.

    Of equal ones, the one whose second objective is smaller, then the first. It is on the front.

    Example:
        >>> points = np.array([[0.1, 0.5], [0.2, 0.2], [0.5, 0.1]])
        >>> best_within(points, bound=0.2)
        1
    """
    within = [(first, second, row) for row, (first, second) in enumerate(points) if second <= bound]
    return min(within)[2] if within else None
