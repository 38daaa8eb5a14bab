"""Why a start of a run ended before all was asked."""

from __future__ import annotations

import enum
from typing import NamedTuple

__all__ = ["INTERRUPTED", "Stop", "StopReason"]


class StopReason(enum.StrEnum):
    """Kinds of reasons, for programs; `Stop.message` is for people."""

    INTERRUPTED = "interrupted"  # by the user or the system: Ctrl-C, SIGTERM, SIGHUP
    BUDGET = "budget"  # a bound the user gave was reached
    REFUSED = "refused"  # the server refused every request
    WAITING = "waiting"  # batches are with the provider, and the user waits no longer
    CANCELLED = "cancelled"  # the user had what is with the provider cancelled
    FAILED = "failed"  # an error, which the message describes


class Stop(NamedTuple):
    """Why a start ended.

    Attributes:
        message: One line for people.
        bound: Of a bound that the user gave, which: ``max_cost`` or ``max_requests``.
    """

    reason: StopReason
    message: str
    bound: str | None = None


INTERRUPTED = Stop(StopReason.INTERRUPTED, "interrupted")
