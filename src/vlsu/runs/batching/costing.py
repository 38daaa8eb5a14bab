"""What a request is likely to cost, before it is handed in."""

from __future__ import annotations

from vlsu.models.base import Request
from vlsu.runs.asking.limits import Price, TokenCounts
from vlsu.runs.asking.rough_counts import BYTES_PER_TOKEN, TOKENS_PER_IMAGE

__all__ = ["likely_cost"]

#: Of an answer of any task.
_ANSWER_TOKENS = 100


def likely_cost(request: Request, price: Price | None) -> float:
    """What a request is likely to cost at most, without a cache; 0 without a price."""
    if price is None:
        return 0.0
    parts = [part for message in request.messages for part in message.parts]
    texts = sum(len(part.encode(errors="replace")) for part in parts if isinstance(part, str))
    images = sum(not isinstance(part, str) for part in parts)
    tokens = texts // BYTES_PER_TOKEN + images * TOKENS_PER_IMAGE
    return price.cost_of(TokenCounts(tokens, _ANSWER_TOKENS), batched=True)
