"""The tokens of each part of the prompts of an understanding run, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import polars as pl

from vlsu.data import Dataset
from vlsu.policy import Policy
from vlsu.runs.asking.limits import Price, TokenCounts
from vlsu.runs.asking.plan import Subset
from vlsu.runs.asking.rough_counts import (
    ANSWER_TOKENS,
    BYTES_PER_TOKEN,
    TOKENS_PER_IMAGE,
    answer_tokens,
)
from vlsu.runs.record import distinct_requests
from vlsu.tasks import Prompt, Understanding, load_prompt
from vlsu.tasks.prompting import LIKELY, MOST_LIKELY

__all__ = ["PromptCost", "prompt_costs"]


@dataclass(frozen=True, slots=True)
class PromptCost:
    """Tokens of a request of one modality, part by part, and what all such requests come to.

    Attributes:
        requests: Different requests over the dataset.
        first_pass: Whether it asks for the likely categories before the grade, of the detail
            ``category``.
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
    first_pass: bool
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

    Of the detail ``category`` the first requests come before; the others are counted with the lines
    of as many categories as may be likely, the longest.

    Args:
        dataset: What is to be asked about.
        policy: The policy that is rendered in.
        prompt: The prompt.
        price: Of the model.
    """
    task = Understanding(policy, prompt)
    first = load_prompt(LIKELY, policy) if prompt.lines else None
    with dataset.reading():
        mean = dataset.frame().select(pl.col("text").str.len_bytes().mean()).collect().item()
    text = round((mean or 0) / BYTES_PER_TOKEN)
    answer = answer_tokens(task)
    found = []
    counts = distinct_requests(dataset, Subset(), task.modalities)
    asked_of = [(each, modality) for each in (first, prompt) if each for modality in counts]
    for asks, modality in asked_of:
        if not (requests := counts[modality]):
            continue
        system, user = asks.systems[modality], asks.user(modality, "")
        lines = _longest_lines(asks, modality)
        of_policy = _policy_bytes(policy, system) + _policy_bytes(policy, lines)
        whole = sum(len(each.encode()) for each in (system, user, lines))
        tokens = (
            round(of_policy / BYTES_PER_TOKEN),
            round((whole - of_policy) / BYTES_PER_TOKEN),
            0 if modality == "text" else TOKENS_PER_IMAGE,
            0 if modality == "image" else text,
        )
        asked, cached = requests * sum(tokens), (requests - 1) * len(system.encode())
        of_answer = ANSWER_TOKENS if asks is first else answer
        out = requests * of_answer
        found.append(
            PromptCost(
                modality,
                asks is first,
                requests,
                *tokens,
                of_answer,
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


def _longest_lines(prompt: Prompt, modality: str) -> str:
    """What is said of likely categories before the question, at most; empty where nothing is."""
    if not prompt.lines:
        return ""
    lines = prompt.lines[modality]
    longest = sorted(lines, key=lambda id_: len(lines[id_].encode()))[-MOST_LIKELY:]
    return prompt.lines_of(modality, longest)


def _policy_bytes(policy: Policy, text: str) -> int:
    """Bytes of the policy's own texts in a text."""
    return sum(len(each.encode()) for each in {each for each in _texts(policy) if each in text})


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
