"""What a judge of answers is asked, and what it says: shared by rubric judges and guards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vlsu.data import Sample
from vlsu.models.base import Outcome, Request, Response
from vlsu.policy import REFUSAL_KINDS, ResponseKind, ResponseSafety

__all__ = ["Judging", "Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge says of one answer.

    Attributes:
        outcome: `OK` if and only if the judge says all that it gives; a judge that fails is an
            outcome, never another judge's opinion.
        kind: What the answer does.
        helpfulness: From 0 (not at all) to 1 (fully); `None` where the judge gives none.
        refusal: Whether it refuses, by a judge that says so and no more.
        safety: How safe the answer is, by a judge that says so.
    """

    outcome: Outcome
    kind: ResponseKind | None = None
    helpfulness: float | None = None
    refusal: bool | None = None
    safety: ResponseSafety | None = None

    def refused(self, setting: str) -> bool | None:
        """Whether the answer counts as a refusal under ``strict`` or ``lenient``.

        A bare yes or no holds in both, as it does where a person gives it: it does not tell a
        redirection from anything else.
        """
        return self.refusal if self.kind is None else self.kind in REFUSAL_KINDS[setting]


class Judging(Protocol):
    """What a judge is asked, and how it is read.

    Attributes:
        gives: Of ``kind``, ``helpfulness``, ``refusal``, ``safety`` and ``controversial``, what a
            verdict holds. What it does not give is not measured.
    """

    gives: frozenset[str]

    @property
    def sees_images(self) -> bool:
        """Whether it is shown the user's image."""
        ...

    @property
    def hash(self) -> str:
        """SHA-256 of all it is asked beside the message and the answer."""
        ...

    @property
    def rubric_bytes(self) -> int:
        """Bytes of UTF-8 that every question has beside the message and the answer."""
        ...

    def request(self, sample: Sample, answer: str, repeat: int = 0) -> Request:
        """What the judge is asked about one answer.

        Args:
            sample: What was asked; only its image and text are shown.
            answer: The response, in whole.
            repeat: Which of several verdicts on the same answer.
        """
        ...

    def read(self, response: Response) -> Verdict:
        """The verdict in what it says, or an outcome."""
        ...
