"""The interface of a task: from samples to requests, and from responses to judgments, both pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from vlsu._text import without_control_sequences
from vlsu.data import Sample
from vlsu.models.base import Outcome, Request, Response
from vlsu.policy import Severity

__all__ = ["Judgment", "RequestSource", "Task", "TaskRequest", "answer_excerpt", "system_identity"]


#: Maximum characters of an answer that are stored with its judgment; the store has all of it.
ANSWER_CHARACTERS = 4000


def answer_excerpt(text: str) -> str | None:
    """A model's answer as stored with a judgment: truncated, without control sequences.

    The raw response is in the store. `None` if the text is empty.
    """
    return without_control_sequences(text[:ANSWER_CHARACTERS]) or None


class TaskRequest(NamedTuple):
    """One request about a sample, with the modality and framing that it is for."""

    modality: str
    request: Request
    framing: str | None = None

    @property
    def draw(self) -> int:
        """Index of this answer among several to the same prompt, from 0."""
        return self.request.draw


class Judgment(NamedTuple):
    """One prediction read from one response.

    Attributes:
        expected: The gold grade of this modality; `None` if the dataset has none.
        predicted: A severity if and only if the outcome is `OK`.
        expected_category: The gold category identifier of this modality.
        category: The predicted category identifier, if one was given.
        p_unsafe: Probability of unsafe in [0, 1], if the model provides one.
        answer: The model's answer, truncated to `ANSWER_CHARACTERS`; `None` if there is none.
    """

    sample_id: str
    modality: str
    framing: str | None
    expected: Severity | None
    predicted: Severity | None
    outcome: Outcome
    expected_category: str | None
    category: str | None
    p_unsafe: float | None
    answer: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class RequestSource(Protocol):
    """The requests that a task makes about a sample."""

    name: str

    def identity(self) -> Mapping[str, object]:
        """Name and prompts with their hashes, for the run's record."""
        ...

    def requests(self, sample: Sample) -> tuple[TaskRequest, ...]:
        """The requests about a sample; those that share an image are adjacent."""
        ...


class Task(RequestSource, Protocol):
    """A task whose answers are parsed directly into judgments, without a judge model."""

    def judge(self, sample: Sample, task_request: TaskRequest, response: Response) -> Judgment:
        """Parse one response into a judgment."""
        ...


def system_identity(system: str | None) -> Mapping[str, object]:
    """The entry of a run's record for the user's system prompt; empty if there is none."""
    if not system:
        return {}
    return {"system": {"hash": hashlib.sha256(system.encode()).hexdigest()}}
