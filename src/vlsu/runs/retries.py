"""How often a request is tried again, and how long it rests in between."""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = ["Retries"]


@dataclass(frozen=True, slots=True)
class Retries:
    """When a fault stands, and the pauses before it does; all times in seconds.

    Attributes:
        attempts: Attempts at one request before its fault stands. Those made while the server
            seems to be down, and those it put off by a 429, are not among them.
        first_pause_s: The pause after the first failed attempt; it doubles with each further one.
        longest_pause_s: The longest pause, also where the server asks for a longer one.
        down_pause_s: The longest pause while the server seems to be down: long enough to spare it,
            short enough to notice that it is back.
        put_off_s: How long one request may be put off by 429s. Limits a minute are common, limits
            a day exist: longer than the one, shorter than the other.
    """

    attempts: int = 5
    first_pause_s: float = 0.5
    longest_pause_s: float = 60.0
    down_pause_s: float = 5.0
    put_off_s: float = 600.0

    def pause_s(self, attempts: int, retry_after_s: float | None, *, down: bool) -> float:
        """The pause after so many failed attempts: what the server asked for, else with jitter."""
        if retry_after_s is not None:
            jitter = random.uniform(0, self.first_pause_s)  # noqa: S311 - jitter, not a secret
            return min(retry_after_s, self.longest_pause_s) + jitter
        doublings = min(attempts - 1, 32)
        longest = min(self.first_pause_s * 2**doublings, self.longest_pause_s)
        if down:
            longest = self.down_pause_s
        return random.uniform(longest / 2, longest)  # noqa: S311 - jitter, not a secret
