"""Answers a second while the number of requests in flight stays the same."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Throughput", "Window"]

#: What an earlier window counts, of a later one.
_FADING = 0.8


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
