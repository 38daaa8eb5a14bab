"""What a start may still spend on one model, and how many requests in flight that pays for."""

from __future__ import annotations

import math

from vlsu.models.base import Response
from vlsu.runs.asking.limits import FIRST_IN_FLIGHT, Budget
from vlsu.runs.stop import Stop

__all__ = ["Purse"]


class Purse:
    """A `Budget` while one model is asked: what is in flight will have to be paid for, too.

    A request's cost is known once it is answered. Until then it counts as the mean of the model's
    answers so far, so that what is in flight when the bound is reached costs about one request
    more, and not as much as hundreds.

    Args:
        budget: The bounds, and what was spent before.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget, self._before = budget, budget.cost
        self._answered = 0

    def exhausted(self) -> Stop | None:
        """Why nothing more may be sent, if so."""
        return self._budget.exhausted()

    def sent(self) -> None:
        """One more attempt goes out."""
        self._budget.sent()

    def not_sent(self) -> None:
        """It could not be sent after all."""
        self._budget.not_sent()

    def spent(self, response: Response) -> None:
        """A response came and is paid for."""
        self._budget.spent(response)
        self._answered += 1

    def pays_for(self, level: int) -> int:
        """How many of so many requests in flight it pays for; at least one, to find out."""
        most = self._budget.max_cost
        if most is None:
            return level
        if self._answered:
            mean = (self._budget.cost - self._before) / self._answered
        else:  # as another model's, if one was asked
            level = min(level, FIRST_IN_FLIGHT)
            mean = self._budget.cost / max(1, self._budget.answers)
        left = max(0.0, most - self._budget.cost)
        return max(1, math.ceil(left / mean)) if left < level * mean else level
