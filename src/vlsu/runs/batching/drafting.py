"""Requests put together into batches within every limit, the provider's and the user's."""

from __future__ import annotations

from vlsu.errors import DataError
from vlsu.models.base import Fault, Request
from vlsu.models.batching.base import BatchService
from vlsu.runs.asking.images import Images
from vlsu.runs.asking.limits import Budget, TokenCounts
from vlsu.runs.asking.rough_counts import BYTES_PER_TOKEN, TOKENS_PER_IMAGE
from vlsu.runs.batching.journal import Draft
from vlsu.runs.stop import Stop, StopReason

__all__ = ["Drafting"]


class Drafting:
    """What may be part of a batch, and of which one.

    Args:
        service: The provider's batch interface.
        images: Where images are found.
        budget: How much may be spent.
        answer_tokens: Tokens that an answer is likely to have, as a dry run counts them.

    Attributes:
        most_requests: Requests of one batch; fewer than documented where the provider takes fewer.
    """

    def __init__(
        self, service: BatchService, images: Images, budget: Budget, answer_tokens: int
    ) -> None:
        self._service, self._images, self._budget = service, images, budget
        self._answer_tokens = answer_tokens
        self.most_requests = service.limits.most_requests

    def line(self, key: str, request: Request) -> bytes | Fault:
        """A request as a line of a batch; why not, if it can be none."""
        limits = self._service.limits
        try:
            line = self._service.encode(key, request, self._images)
        except DataError as error:  # this sample's image alone
            return Fault("image", str(error))
        most = min(limits.most_bytes, limits.most_bytes_of_one or limits.most_bytes)
        if len(line) < most:
            return line
        return Fault(
            "bad-request",
            f"a request of {len(line)} bytes, and a batch takes {most}; run without --batch",
        )

    def fits(self, draft: Draft, line: bytes) -> bool:
        """Whether a batch takes one more line."""
        room = self._service.limits.most_bytes - draft.size
        return len(draft.keys) < self.most_requests and len(line) < room

    def halve(self, requests: int) -> None:
        """Put at most half as many requests into a batch as into one that was too much."""
        self.most_requests = max(1, min(self.most_requests, requests // 2))

    def likely_cost(self, request: Request) -> float:
        """What a request is likely to cost, without a cache; 0 without a price."""
        price = self._budget.price
        if price is None:
            return 0.0
        parts = [part for message in request.messages for part in message.parts]
        texts = sum(len(part.encode(errors="replace")) for part in parts if isinstance(part, str))
        images = sum(not isinstance(part, str) for part in parts)
        tokens = texts // BYTES_PER_TOKEN + images * TOKENS_PER_IMAGE
        return price.cost_of(TokenCounts(tokens, self._answer_tokens), batched=True)

    def bound(self, cost: float, reserved: float) -> Stop | None:
        """The bound that handing a request in would reach; `None` if it may be.

        Args:
            cost: What it is likely to cost.
            reserved: The same of all that is not answered yet: it will be paid for.
        """
        reached = self._budget.exhausted()
        most = self._budget.max_cost
        if reached is not None or most is None or self._budget.cost + reserved + cost <= most:
            return reached
        return Stop(StopReason.BUDGET, f"--max-cost {most:g} reached", "max_cost")
