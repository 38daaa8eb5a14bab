"""What a task is: samples to requests, and responses to judgments, both pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from vlsu._text import without_sequences
from vlsu.data import Sample
from vlsu.models.base import Outcome, Request, Response
from vlsu.policy import Severity

__all__ = ["Ask", "Asking", "Judgment", "Task", "kept_answer", "system_identity"]


#: Of an answer's text, this much is kept beside its judgment; the whole is in the store.
ANSWER_CHARACTERS = 4000


def kept_answer(text: str) -> str | None:
    """A model's words as they are kept beside a judgment: cut, without control sequences.

    The response as it came stays in the store. `None` where there are no words.
    """
    return without_sequences(text[:ANSWER_CHARACTERS]) or None


class Ask(NamedTuple):
    """One request a sample needs, and what it is for."""

    modality: str
    request: Request
    framing: str | None = None

    @property
    def draw(self) -> int:
        """Which of several answers to the same question, from 0."""
        return self.request.draw


class Judgment(NamedTuple):
    """One prediction read from one response.

    Attributes:
        expected: The gold grade of this modality; `None` where the dataset does not label it.
        predicted: A severity if and only if the outcome is `OK`.
        expected_category: The gold category identifier of this modality.
        category: The predicted category identifier, where one was given.
        p_unsafe: Probability of unsafe in [0, 1], where the model gives one.
        answer: The model's words, cut to `ANSWER_CHARACTERS`; `None` where none came.
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


class Asking(Protocol):
    """What to ask about a sample."""

    name: str

    def identity(self) -> Mapping[str, object]:
        """Name, and what it asks with, with hashes, for the run's record."""
        ...

    def asks(self, sample: Sample) -> tuple[Ask, ...]:
        """The requests a sample needs, those sharing an image next to each other."""
        ...


class Task(Asking, Protocol):
    """A task whose answers are judged as they are read: what to ask, and how to read it."""

    def judge(self, sample: Sample, ask: Ask, response: Response) -> Judgment:
        """Read one response."""
        ...


def system_identity(system: str | None) -> Mapping[str, object]:
    """What a run's record says of a system prompt of the user's; nothing if there is none."""
    if not system:
        return {}
    return {"system": {"hash": hashlib.sha256(system.encode()).hexdigest()}}
