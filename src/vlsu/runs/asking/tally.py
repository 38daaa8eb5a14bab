"""What an execution did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from vlsu.runs.stop import Stop

__all__ = ["Tally"]


@dataclass(slots=True)
class Tally:
    """What an execution did.

    Attributes:
        planned: What the plan asks for, the same request counted each time it comes up.
        asked: Requests completed now, by outcome.
        retries: Attempts made again, by kind of fault.
        given_up: Different requests that are not asked, as an earlier start had no answer to them.
        stopped: Why it ended before the plan did, if so.
    """

    planned: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    given_up: int = 0
    stopped: Stop | None = None
