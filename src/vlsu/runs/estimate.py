"""What a run will take, before the first request is sent."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import polars as pl

from vlsu.data import Dataset
from vlsu.models.base import Model, question_bytes_of
from vlsu.models.formats.prompt_cache import is_cacheable
from vlsu.policy import MODALITIES
from vlsu.runs.asking.limits import Limits, Price, TokenCounts
from vlsu.runs.asking.plan import Selection
from vlsu.runs.asking.rough_counts import (
    BYTES_PER_TOKEN,
    REPLY_TOKENS,
    TOKENS_PER_IMAGE,
    VERDICT_TOKENS,
    answer_tokens,
)
from vlsu.runs.record import distinct_requests
from vlsu.runs.record_schema import RunRecord
from vlsu.runs.remaining import Remaining
from vlsu.tasks import Alignment, Judging, Understanding

__all__ = ["Estimate", "estimate", "estimate_alignment", "estimate_answers", "timed"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Requests are counted; tokens and cost are estimated.

    Attributes:
        requests: Different requests, by modality, or by whom they go to in an alignment run.
        images_sent: Images sent, of which `images_distinct` are different.
        cost: In the price's currency, or `None` without a price: what is to be asked at list price,
            without the provider's cache.
        cost_source: Where the price comes from.
        calls: What the requests come to, of a guard that asks several questions of its own.
        stored: Different requests that are answered already; they are in no other count.
        out: Different requests that are in batches with a provider, likewise.
        lacking: What cannot be asked, and why; a line for each reason.
        currency: Of the costs; `None` where it is not known, or of prices in several.
        cached_share: Of the input tokens, those that the provider is expected to read from its
            cache, in [0, 1]: of a long system prompt all but the first, where the server is known
            to cache; of an image, none.
        cost_cached: The cost with that share at the price of cached input.
        cost_batch: The cost by the provider's batch interface, without its cache; `None` where no
            price of batches is known.
        requests_per_s: How fast an earlier start in the folder was answered, or what the limits
            of a minute allow if that is less; `None` where neither is known.
        seconds: The time at that rate.
        at_most: Whether fewer samples may do: the drawing stops once an interval is narrow enough.
    """

    samples: int
    requests: dict[str, int]
    images_sent: int
    images_distinct: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    cost_source: str | None
    stored: int = 0
    lacking: tuple[str, ...] = ()
    calls: int | None = None
    currency: str | None = None
    cached_share: float = 0.0
    cost_cached: float | None = None
    cost_batch: float | None = None
    requests_per_s: float | None = None
    seconds: float | None = None
    out: int = 0
    at_most: bool = False

    def to_dict(self) -> dict[str, object]:
        """Plain values, ready for JSON."""
        return asdict(self)


def estimate(
    dataset: Dataset,
    selection: Selection,
    task: Understanding,
    price: Price | None,
    left: Remaining | None = None,
    model: Model | None = None,
) -> Estimate:
    """Count a run's requests and guess their tokens; nothing is sent.

    Args:
        dataset: What is asked about.
        selection: How much of it.
        task: The prompt and the modalities.
        price: Of the model.
        left: What is left of a run that was begun; everything, if not given.
        model: Whom to ask, if that may have questions of its own.
    """
    samples, images, bytes_of_text = _content(dataset, selection)
    if left is None:
        requests = distinct_requests(dataset, selection, task.modalities)
    else:
        requests, images = dict(left.requests), left.images
    calls = dict(requests)
    own: dict[str, float] = {m: task.instruction_bytes(m) for m in requests}
    for modality in requests:
        asked = None if model is None else question_bytes_of(model, modality)
        if asked is not None:
            calls[modality] *= len(asked)
            own[modality] = sum(asked) / len(asked)
    sent = sum(calls.get(modality, 0) for modality in MODALITIES if modality != "text")
    instructions = sum(count * own[modality] for modality, count in calls.items())
    texts = bytes_of_text * sum(calls.get(m, 0) for m in ("text", "joint"))
    input_tokens = math.ceil((instructions + texts) / BYTES_PER_TOKEN) + sent * TOKENS_PER_IMAGE
    output_tokens = sum(calls.values()) * answer_tokens(task, model)
    cached = 0
    least: int | None = getattr(model, "caches_from", None)
    if least is not None:
        sizes = {m: task.system_bytes(m) for m in calls}
        long = {m: size for m, size in sizes.items() if is_cacheable(size, least)}
        cached = sum(max(0, calls[m] - 1) * size // BYTES_PER_TOKEN for m, size in long.items())
    counts = TokenCounts(input_tokens, output_tokens, min(cached, input_tokens))
    return Estimate(
        samples=samples,
        requests=requests,
        images_sent=sent,
        images_distinct=images if sent else 0,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cost=None if price is None else price.cost(input_tokens, output_tokens),
        cost_source=None if price is None else price.source,
        stored=0 if left is None else left.stored,
        out=0 if left is None else left.out,
        calls=None if calls == requests else sum(calls.values()),
        currency=None if price is None else price.currency,
        cached_share=counts.cached / input_tokens if input_tokens else 0.0,
        cost_cached=None if price is None else price.cost_of(counts),
        cost_batch=_batch_cost([] if price is None else [(price, input_tokens, output_tokens)]),
    )


def estimate_alignment(
    dataset: Dataset,
    selection: Selection,
    task: Alignment,
    price: Price | None,
    judges: Sequence[tuple[str, Judging, Price | None]],
    repeats: int,
    left: Remaining | None = None,
) -> Estimate:
    """Count what an alignment run asks of the model and of its judges, and guess the tokens.

    Args:
        dataset: What is asked about.
        selection: How much of it.
        task: The framings and draws.
        price: The model's.
        judges: SPEC, task and price of each; a judge without a price counts as free, which embedded
            ones are.
        repeats: Verdicts of each judge on an answer.
        left: What is left of a run that was begun; everything, if not given.
    """
    pairs = distinct_requests(dataset, selection, ("joint",))["joint"]
    answers = pairs * len(task.framings) * task.draws
    instructions = float(pairs * task.draws * task.instruction_bytes())
    if left is not None:
        instructions *= left.requests["answers"] / max(1, answers)
        answers = left.requests["answers"]
    return estimate_answers(
        dataset,
        selection,
        answers,
        instructions,
        price,
        judges,
        repeats,
        captions=task.captions,
        left=left,
    )


def estimate_answers(
    dataset: Dataset,
    selection: Selection,
    answers: int,
    instruction_bytes: float,
    price: Price | None,
    judges: Sequence[tuple[str, Judging, Price | None]],
    repeats: int = 1,
    *,
    captions: bool = False,
    left: Remaining | None = None,
) -> Estimate:
    """Guess the tokens of answers to pairs of a dataset, and of the verdicts on them.

    Args:
        dataset: What is asked about.
        selection: How much of it.
        answers: How many the model is asked for.
        instruction_bytes: Of all instructions that go with them.
        price: As `estimate_alignment`; so `judges` and `repeats`.
        judges: See there.
        repeats: See there.
        captions: Whether the model is shown captions in place of images.
        left: As `estimate_alignment`.
    """
    samples, images, bytes_of_text = _content(dataset, selection)
    text = math.ceil(bytes_of_text / BYTES_PER_TOKEN)
    shown = text if captions else text + TOKENS_PER_IMAGE
    asked = answers * shown + math.ceil(instruction_bytes / BYTES_PER_TOKEN)
    bills = [("answers", price, answers, asked, REPLY_TOKENS)]
    sent = 0 if captions else answers
    for spec, judging, its_price in judges:
        verdicts = answers * repeats if left is None else left.requests[spec]
        tokens = text + REPLY_TOKENS + math.ceil(judging.rubric_bytes / BYTES_PER_TOKEN)
        if judging.sees_images:
            tokens += TOKENS_PER_IMAGE
            sent += verdicts
        bills.append((spec, its_price, verdicts, verdicts * tokens, VERDICT_TOKENS))
    priced = [
        (its_price, tokens, count * out) for _, its_price, count, tokens, out in bills if its_price
    ]
    cost = sum(p.cost(i, o) for p, i, o in priced) if price is not None else None
    currencies = {p.currency for p, _, _ in priced}
    return Estimate(
        samples=samples,
        requests={name: count for name, _, count, _, _ in bills},
        images_sent=sent,
        images_distinct=images if sent else 0,
        input_tokens=sum(tokens for *_, tokens, _ in bills),
        output_tokens=sum(count * out for _, _, count, _, out in bills),
        cost=cost,
        cost_source="; ".join(dict.fromkeys(p.source for p, _, _ in priced)) or None,
        stored=0 if left is None else left.stored,
        out=0 if left is None else left.out,
        currency=currencies.pop() if len(currencies) == 1 else None,
        cost_cached=cost,
        cost_batch=_batch_cost(priced) if price is not None else None,
    )


def _batch_cost(priced: Sequence[tuple[Price, int, int]]) -> float | None:
    """What tokens at these prices cost by batch interfaces; `None` if a price of one is missing.

    Args:
        priced: Prices, each with input and output tokens.
    """
    if not priced or any(price.batch is None for price, _, _ in priced):
        return None
    return sum(p.cost_of(TokenCounts(i, o), batched=True) for p, i, o in priced)


def timed(found: Estimate, before: RunRecord, limits: Limits) -> Estimate:
    """An estimate with the time at the known rate.

    Args:
        found: The estimate.
        before: The record of the run in the folder; empty if there is none.
        limits: What may be sent a minute.
    """
    requests = found.calls or sum(found.requests.values())
    rates = [_rate_before(before), limits.requests_per_minute and limits.requests_per_minute / 60]
    tokens = found.input_tokens + found.output_tokens
    if limits.tokens_per_minute and tokens:
        rates.append(requests * limits.tokens_per_minute / 60 / tokens)
    known = [rate for rate in rates if rate]
    rate = min(known) if known else None
    return replace(found, requests_per_s=rate, seconds=None if rate is None else requests / rate)


def _rate_before(before: RunRecord) -> float | None:
    """Requests a second of the last start in a folder, all that it did included."""
    asked = before.get("requests", {}).get("asked", 0)
    try:
        began = datetime.datetime.fromisoformat(before["started"])
        ended = datetime.datetime.fromisoformat(before["ended"])
        seconds = (ended - began).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None
    return asked / seconds if asked and seconds > 0 else None


def _content(dataset: Dataset, selection: Selection) -> tuple[int, int, float]:
    """Samples, different images, and the mean length of a text in bytes."""
    with dataset.reading():
        row = (
            selection.frame(dataset)
            .select(
                samples=pl.len(),
                images=pl.col("image_sha256").drop_nulls().hash().n_unique(),
                text=pl.col("text").str.len_bytes().mean().fill_null(0.0),
            )
            .collect(engine="streaming")
            .row(0)
        )
    return int(row[0]), int(row[1]), float(row[2])
