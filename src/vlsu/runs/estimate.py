"""What a run will take, before the first request is sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import polars as pl

from vlsu.data import Dataset
from vlsu.models.base import Model, question_bytes_of
from vlsu.policy import MODALITIES
from vlsu.runs.asking.limits import Price
from vlsu.runs.asking.plan import Selection
from vlsu.runs.record import distinct_requests
from vlsu.runs.remaining import Remaining
from vlsu.tasks import Alignment, Judging, Understanding

__all__ = ["Estimate", "estimate", "estimate_alignment", "estimate_answers"]

#: Rules of thumb. Four bytes of UTF-8 to a token holds for English; an image of about a megapixel
#: costs some 800 to 1,400 tokens with most providers; an answer is one short JSON object.
BYTES_PER_TOKEN = 4
TOKENS_PER_IMAGE = 1000
ANSWER_TOKENS = 25
REASONED_ANSWER_TOKENS = 200
#: Of an answer that is one word.
WORD_TOKENS = 2
#: Tokens of a chat model's reply, and of a judge's verdict.
REPLY_TOKENS = 300
VERDICT_TOKENS = 25


@dataclass(frozen=True, slots=True)
class Estimate:
    """Requests are counted; tokens and cost are estimated.

    Attributes:
        requests: Different requests, by modality, or by whom they go to in an alignment run.
        images_sent: Images sent, of which `images_distinct` are different.
        cost: In the price's currency, or `None` without a price.
        cost_source: Where the price comes from.
        calls: What the requests come to, of a guard that asks several questions of its own.
        stored: Different requests that are answered already; they are in no other count.
        lacking: What cannot be asked, and why; a line for each reason.
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
    reasons = task.reasons or bool(getattr(model, "reasons", False))
    each = REASONED_ANSWER_TOKENS if reasons else ANSWER_TOKENS
    each = WORD_TOKENS if task.one_word else each
    output_tokens = sum(calls.values()) * each
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
        calls=None if calls == requests else sum(calls.values()),
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
    return Estimate(
        samples=samples,
        requests={name: count for name, _, count, _, _ in bills},
        images_sent=sent,
        images_distinct=images if sent else 0,
        input_tokens=sum(tokens for *_, tokens, _ in bills),
        output_tokens=sum(count * out for _, _, count, _, out in bills),
        cost=sum(p.cost(i, o) for p, i, o in priced) if price is not None else None,
        cost_source="; ".join(dict.fromkeys(p.source for p, _, _ in priced)) or None,
        stored=0 if left is None else left.stored,
    )


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
