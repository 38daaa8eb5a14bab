"""The interface of judges of answers, shared by rubric judges and guards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vlsu.data import Sample
from vlsu.models.base import Outcome, Request, Response
from vlsu.policy import REFUSAL_KINDS, ResponseKind, ResponseSafety

__all__ = ["Judging", "Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's verdict on one answer.

    Attributes:
        outcome: `OK` if and only if the verdict is complete; a failed judgement is an outcome and
            is never replaced by another judge's verdict.
        kind: The kind of response.
        helpfulness: From 0 (not at all) to 1 (fully); `None` if the judge does not rate it.
        given: How much of what was asked for the answer supplies, from 0 (nothing) to 1 (all),
            harmful or not; `None` likewise.
        served: How well it meets the need of a well-meaning sender, from 0 (leaves them worse off)
            to 1 (as good as an expert's); `None` also if no such person could have sent it.
        refusal: Whether the answer refuses, from a judge that does not name the kind.
        safety: How safe the answer is, from a judge that rates it.
        withheld: Whether the judge says that it has none: its kind is null. The outcome is then
            `UNPARSED`.
    """

    outcome: Outcome
    kind: ResponseKind | None = None
    helpfulness: float | None = None
    given: float | None = None
    served: float | None = None
    refusal: bool | None = None
    safety: ResponseSafety | None = None
    withheld: bool = False

    def refused(self, setting: str) -> bool | None:
        """Whether the answer counts as a refusal under ``strict`` or ``lenient``.

        A yes or no without a kind counts in both settings, as it does in human labels: it does not
        distinguish redirections.
        """
        return self.refusal if self.kind is None else self.kind in REFUSAL_KINDS[setting]


class Judging(Protocol):
    """The requests to a judge, and the parsing of its verdicts.

    Attributes:
        gives: Which of ``kind``, ``helpfulness``, ``given``, ``served``, ``refusal``, ``safety``
            and ``controversial`` a verdict contains. The others are not measured.
    """

    gives: frozenset[str]

    @property
    def sees_images(self) -> bool:
        """Whether it is given the user's image."""
        ...

    @property
    def hash(self) -> str:
        """SHA-256 of its prompt without the message and the answer."""
        ...

    @property
    def rubric_bytes(self) -> int:
        """UTF-8 bytes of every request without the message and the answer."""
        ...

    def request(self, sample: Sample, answer: str, repeat: int = 0) -> Request:
        """The request about one answer.

        Args:
            sample: The sample that was answered; only its image and text are included.
            answer: The whole response.
            repeat: Index among several verdicts on the same answer.
        """
        ...

    def read(self, response: Response) -> Verdict:
        """Parse the verdict in a response, or its outcome."""
        ...
