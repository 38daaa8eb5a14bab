"""What a run will take, before the first request is sent."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import polars as pl

from vlsu.data import Dataset
from vlsu.policy import MODALITIES
from vlsu.runs.limits import Price
from vlsu.runs.plan import Subset
from vlsu.runs.record import distinct_requests
from vlsu.tasks import Understanding

__all__ = ["Estimate", "estimate"]

#: Rules of thumb. Four bytes of UTF-8 to a token holds for English; an image of about a megapixel
#: costs some 800 to 1,400 tokens with most providers; an answer is one short JSON object.
BYTES_PER_TOKEN = 4
TOKENS_PER_IMAGE = 1000
ANSWER_TOKENS = 25
REASONED_ANSWER_TOKENS = 200


@dataclass(frozen=True, slots=True)
class Estimate:
    """Requests are counted; tokens and cost are estimated.

    Attributes:
        requests: Different requests, by modality.
        images: Images sent, and how many different ones.
        cost: In the price's currency, or `None` without a price.
        cost_source: Where the price comes from.
    """

    samples: int
    requests: dict[str, int]
    images_sent: int
    images_distinct: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    cost_source: str | None

    def to_dict(self) -> dict[str, object]:
        """Plain values, ready for JSON."""
        return asdict(self)


def estimate(
    dataset: Dataset, subset: Subset, task: Understanding, price: Price | None
) -> Estimate:
    """Count a run's requests and guess their tokens; nothing is sent."""
    requests = distinct_requests(dataset, subset, task.modalities)
    frame = subset.frame(dataset)
    bytes_of_text, samples, images = (
        frame.select(
            pl.col("text").str.len_bytes().mean().fill_null(0.0),
            samples=pl.len(),
            images=pl.col("image_sha256").drop_nulls().hash().n_unique(),
        )
        .collect(engine="streaming")
        .row(0)
    )
    sent = sum(requests.get(modality, 0) for modality in MODALITIES if modality != "text")
    instructions = sum(
        count * task.instruction_bytes(modality) for modality, count in requests.items()
    )
    texts = bytes_of_text * sum(requests.get(m, 0) for m in ("text", "joint"))
    input_tokens = math.ceil((instructions + texts) / BYTES_PER_TOKEN) + sent * TOKENS_PER_IMAGE
    each = REASONED_ANSWER_TOKENS if task.reasons else ANSWER_TOKENS
    output_tokens = sum(requests.values()) * each
    return Estimate(
        samples=samples,
        requests=requests,
        images_sent=sent,
        images_distinct=images if sent else 0,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cost=None if price is None else price.cost(input_tokens, output_tokens),
        cost_source=None if price is None else price.source,
    )
