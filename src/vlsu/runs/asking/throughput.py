"""Answers a second while the number of requests in flight stays the same."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Throughput", "Window", "trial_pays", "trial_taken"]

#: What an earlier window counts, of a later one.
_FADING = 0.8
#: Ratio of throughputs from which a trial of more is kept, and from which one of fewer is.
_WORTHWHILE, _NO_LOSS = 1.04, 0.985
#: Standard errors by which the former has to be exceeded.
_SURE = 1.5
#: Answers, as a multiple of the level, after which a trial of fewer is decided even if it is open
#: whether it pays (twice that for one of more, which costs less meanwhile); and so many at least.
_LONG_WINDOW, _LEAST_LONG = 16, 320


@dataclass(slots=True)
class Window:
    """What happens in a span of time; all times in seconds.

    Attributes:
        start: When it began.
        busy_s: What requests had spent in flight before, added up.
        answers: Answers in it.
        latency_s: Their latencies, added up.
        latency_s2: The squares of these.
        lost_s: What requests that ended without an answer had spent in flight.
    """

    start: float
    busy_s: float
    answers: int = 0
    latency_s: float = 0.0
    latency_s2: float = 0.0
    lost_s: float = 0.0

    def add(self, latency_s: float) -> None:
        """Count an answer."""
        self.answers += 1
        self.latency_s += latency_s
        self.latency_s2 += latency_s * latency_s

    @property
    def variation(self) -> float:
        """The coefficient of variation of the latencies; 1 where there are none."""
        if not self.latency_s:
            return 1.0
        mean = self.latency_s / self.answers
        return math.sqrt(max(0.0, self.latency_s2 / self.answers / mean**2 - 1))


@dataclass(frozen=True, slots=True)
class Throughput:
    """Answers a second.

    Attributes:
        value: By Little's law, requests in flight over the mean latency. Unlike a count of answers
            it does not depend on whether a window ends before a burst of them or after.
        error: Its standard error, relative to the value.
        in_flight: Requests in flight in the mean, without those that came to no answer.
    """

    value: float
    error: float
    in_flight: float

    @classmethod
    def of(cls, window: Window, now: float, busy_s: float, variation: float) -> Throughput:
        """The throughput of a window that ends now and has at least one answer.

        Args:
            window: The window.
            now: The time.
            busy_s: What requests have spent in flight until now, added up.
            variation: The least coefficient of variation to reckon with. Latencies in a queue vary
                less than the times for which requests are worked on, which make the error.
        """
        mean = window.latency_s / window.answers
        in_flight = max(0.0, busy_s - window.busy_s - window.lost_s) / (now - window.start)
        error = max(window.variation, variation) / math.sqrt(window.answers)
        return cls(in_flight / mean, error, in_flight)

    def with_earlier(self, earlier: Throughput | None) -> Throughput:
        """Together with what was measured earlier at the same level, which counts a bit less."""
        if earlier is None:
            return self
        weight, other = 1 / (self.error**2 + 1e-6), _FADING / (earlier.error**2 + 1e-6)
        value = (weight * self.value + other * earlier.value) / (weight + other)
        return Throughput(value, 1 / math.sqrt(weight + other), self.in_flight)


def trial_pays(
    base: Throughput, trial: Throughput, level: int, answers: int, *, more: bool
) -> bool | None:
    """Whether another level is the better one; `None` while that is open.

    Args:
        base: The throughput at the level that is compared with.
        trial: That at the other one.
        level: The other one.
        answers: So many came at it.
        more: Whether it is the higher one, which is a burden on the server: it has to pay surely.
            A lower one has to cost nothing.
    """
    ratio, error = _compared(base, trial)
    bound = _WORTHWHILE if more else _NO_LOSS
    long = max((2 if more else 1) * _LONG_WINDOW * level, _LEAST_LONG)
    if abs(ratio - bound) < 2 * error and answers < long:
        return None
    return ratio >= bound + (_SURE * error if more else 0.0)


def trial_taken(base: Throughput, trial: Throughput) -> bool:
    """The same of a server that refuses what is too much, where more was not refused."""
    ratio, error = _compared(base, trial)
    return ratio > _NO_LOSS - 2 * error


def _compared(base: Throughput, trial: Throughput) -> tuple[float, float]:
    """The ratio of two throughputs and its standard error."""
    ratio = trial.value / base.value
    return ratio, ratio * math.hypot(trial.error, base.error)
