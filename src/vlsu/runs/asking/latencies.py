"""Whether more requests in flight made each of them slower.

Answers that are not there yet count as well: of two groups of requests, the share answered within a
time is compared at each age at which both were still waited for (Mantel-Haenszel, or log-rank). So
it shows long before the slowest answers are in, and whatever the distribution of latencies.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

__all__ = ["Latencies"]

#: Ages are counted by steps of the fourth root of two, from a tenth of a millisecond.
_STEPS = 4
_LEAST_S = 1e-4
_MOST = 30 * _STEPS
#: A latency longer by this factor, in steps of age, is accepted when twice as many are in flight.
_BORNE = 2
#: Standard errors by which the answers of the later group must lag behind.
_SURE = 3.0


def _step(age_s: float) -> int:
    if age_s <= _LEAST_S:
        return 0
    return min(int(_STEPS * math.log2(age_s / _LEAST_S)), _MOST - 1)


class Latencies:
    """Latencies by the level at which a request was sent, that is how many could be in flight."""

    def __init__(self) -> None:
        self._answered: dict[int, list[int]] = defaultdict(lambda: [0] * _MOST)

    def add(self, level: int, latency_s: float) -> None:
        """One of the requests sent at a level was answered."""
        self._answered[_half_octave(level)][_step(latency_s)] += 1

    def longer(self, level: int, waiting: Iterable[tuple[int, float]]) -> bool:
        """Whether requests sent at most at half this level were answered markedly sooner.

        Markedly: by more than the square root of two, so that twice as many in flight bring less
        than that factor in answers a second.

        Args:
            level: The level now.
            waiting: Of each request that has no answer, the level at which it was sent and its age
                in seconds.
        """
        half = _half_octave(level) - 2
        gone = [[0] * _MOST, [0] * _MOST]
        left = [[0] * _MOST, [0] * _MOST]
        for octave, counts in self._answered.items():
            of = gone[octave > half]
            for step, count in enumerate(counts):
                of[step] += count
        for at, age in waiting:
            left[_half_octave(at) > half][_step(age)] += 1
        return _lag(gone, left) > _SURE


def _half_octave(level: int) -> int:
    return round(2 * math.log2(level))


def _lag(gone: list[list[int]], left: list[list[int]]) -> float:
    """By how many standard errors the second group's answers lag behind the first's.

    Both are counts by age: of those answered, and of those that are not yet. The second group is
    allowed `_BORNE` steps more.
    """
    first = second = 0
    excess = variance = 0.0
    for age in range(_MOST - 1, -1, -1):
        later = age + _BORNE
        answered, also = gone[0][age], gone[1][later] if later < _MOST else 0
        # At risk at this age: all that were answered or are waited for at it or a later one.
        first += answered + left[0][age]
        if later < _MOST:
            second += also + left[1][later]
        together, events = first + second, answered + also
        if not (first and second and events):
            continue
        share = second / together
        excess += events * share - also
        if together > 1:
            variance += events * share * (1 - share) * (together - events) / (together - 1)
    return excess / math.sqrt(variance) if variance > 0 else 0.0
