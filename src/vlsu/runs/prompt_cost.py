"""The tokens of each part of the prompts of an understanding run, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import polars as pl

from vlsu.data import Dataset
from vlsu.policy import Policy
from vlsu.runs.asking.limits import Price, TokenCounts
from vlsu.runs.asking.plan import Subset
from vlsu.runs.estimate import (
    ANSWER_TOKENS,
    BYTES_PER_TOKEN,
    REASONED_ANSWER_TOKENS,
    TOKENS_PER_IMAGE,
    WORD_TOKENS,
)
from vlsu.runs.record import distinct_requests
from vlsu.tasks import Prompt, Understanding

__all__ = ["PromptCost", "prompt_costs"]


@dataclass(frozen=True, slots=True)
class PromptCost:
    """Tokens of a request of one modality, part by part, and what all such requests come to.

    Attributes:
        requests: Different requests over the dataset.
        policy: Tokens of the policy's own texts.
        task: Of all other words of the prompt: the task, the form of the answer.
        image: Of an image, by rule of thumb.
        text: Of a sample's text, on average.
        answer: Of the answer, by rule of thumb.
        cost: Of all requests at list price; `None` without a price.
        cost_cached: The same if the provider reads policy and task from its cache after the first
            request.
        cost_batch: By its batch interface, without a cache; `None` without such a price.
    """

    modality: str
    requests: int
    policy: int
    task: int
    image: int
    text: int
    answer: int
    cost: float | None
    cost_cached: float | None
    cost_batch: float | None

    @property
    def input(self) -> int:
        """Tokens of a request."""
        return self.policy + self.task + self.image + self.text

    def to_dict(self) -> dict[str, object]:
        """Plain values, ready for JSON."""
        return {**asdict(self), "input": self.input}


def prompt_costs(
    dataset: Dataset, policy: Policy, prompt: Prompt, price: Price | None
) -> list[PromptCost]:
    """The parts of the prompts for each modality that a dataset has samples of.

    Args:
        dataset: What is to be asked about.
        policy: The policy that is rendered in.
        prompt: The prompt.
        price: Of the model.
    """
    task = Understanding(policy, prompt)
    with dataset.reading():
        mean = dataset.frame().select(pl.col("text").str.len_bytes().mean()).collect().item()
    text = round((mean or 0) / BYTES_PER_TOKEN)
    answer = REASONED_ANSWER_TOKENS if task.reasons else ANSWER_TOKENS
    answer = WORD_TOKENS if task.one_word else answer
    found = []
    for modality, requests in distinct_requests(dataset, Subset(), task.modalities).items():
        if not requests:
            continue
        system, user = prompt.systems[modality], prompt.user(modality, "")
        known = {each for each in _texts(policy) if each in system}
        of_policy = sum(len(each.encode()) for each in known)
        whole = len(system.encode()) + len(user.encode())
        tokens = (
            round(of_policy / BYTES_PER_TOKEN),
            round((whole - of_policy) / BYTES_PER_TOKEN),
            0 if modality == "text" else TOKENS_PER_IMAGE,
            0 if modality == "image" else text,
        )
        asked, cached = requests * sum(tokens), (requests - 1) * len(system.encode())
        out = requests * answer
        found.append(
            PromptCost(
                modality,
                requests,
                *tokens,
                answer,
                *_costs(price, TokenCounts(asked, out, cached // BYTES_PER_TOKEN)),
            )
        )
    return found


def _costs(
    price: Price | None, counts: TokenCounts
) -> tuple[float | None, float | None, float | None]:
    """At list price, with the cache, and by the batch interface."""
    if price is None:
        return None, None, None
    batch = None if price.batch is None else price.list_cost_of(counts, batched=True)
    return price.list_cost_of(counts), price.cost_of(counts), batch


def _texts(policy: Policy) -> Iterator[str]:
    """The policy's own texts, each as a template may insert it."""
    yield from policy.severities.values()
    yield from policy.boundary
    if policy.joint:
        yield policy.joint
    for category in policy.categories:
        yield category.name
        if category.description:
            yield category.description
        for seen in category.severities.values():
            yield from {seen.image, seen.text}
