"""The requests that are in flight."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Ticket", "Tickets"]


class Ticket(NamedTuple):
    """A request that is in flight.

    Attributes:
        number: Its place in the order of sending.
        at: When it was sent.
        level: How many could be in flight then.
        among: How many were, this one included.
        answered: How many had been answered then.
    """

    number: int
    at: float
    level: int
    among: int
    answered: int


class Tickets:
    """Those of all requests in flight; times in seconds of any steady clock.

    Attributes:
        sent: How many requests have been sent so far.
        busy_s: What requests have spent in flight until the last event, added up.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.busy_s = 0.0
        self._now = 0.0
        self._out: dict[int, Ticket] = {}

    def __len__(self) -> int:
        return len(self._out)

    def __iter__(self) -> Iterator[Ticket]:
        return iter(self._out.values())

    def add(self, now: float, level: int, answered: int) -> Ticket:
        """A request goes out at a level, when so many have been answered."""
        self._advance(now)
        ticket = Ticket(self.sent, now, level, len(self._out) + 1, answered)
        self._out[ticket.number] = ticket
        self.sent += 1
        return ticket

    def remove(self, now: float, ticket: Ticket) -> float:
        """A request ends; how long it was in flight, in seconds."""
        self._advance(now)
        del self._out[ticket.number]
        return now - ticket.at

    def _advance(self, now: float) -> None:
        self.busy_s += len(self._out) * (now - self._now)
        self._now = now
