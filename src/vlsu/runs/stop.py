"""Why a start of a run ended before all was asked."""

from __future__ import annotations

import enum
from typing import NamedTuple

__all__ = ["INTERRUPTED", "Stop", "StopReason"]


class StopReason(enum.StrEnum):
    """The kinds of reasons; programs go by them, people by the words."""

    INTERRUPTED = "interrupted"  # by the user or the system: Ctrl-C, SIGTERM, SIGHUP
    BUDGET = "budget"  # a bound the user gave was reached
    REFUSED = "refused"  # the server refused every request
    FAILED = "failed"  # an error, which the words tell


class Stop(NamedTuple):
    """Why a start ended.

    Attributes:
        words: One line for people.
    """

    reason: StopReason
    words: str


INTERRUPTED = Stop(StopReason.INTERRUPTED, "interrupted")
