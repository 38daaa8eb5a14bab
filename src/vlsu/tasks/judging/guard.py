"""Judging answers by a guard model, in its own prompt format and without a rubric."""

from __future__ import annotations

from vlsu.data import Sample
from vlsu.models.base import Message, Outcome, Request, Response
from vlsu.models.guards import GuardFamily
from vlsu.models.output import after_reasoning
from vlsu.tasks.judging.base import Verdict

__all__ = ["GuardTask"]


class GuardTask:
    """A guard model as a judge.

    A guard does not name the kind of response: ``safe`` applies to most help and to every refusal.
    So a verdict contains refusal and safety as far as the family reports them, and nothing else.

    Args:
        family: The guard's family.
    """

    def __init__(self, family: GuardFamily) -> None:
        self._family = family
        self.gives = family.gives

    @property
    def sees_images(self) -> bool:
        """Whether it is given the user's image."""
        return self._family.sees_images

    @property
    def hash(self) -> str:
        """SHA-256 of its prompt template."""
        return self._family.hash

    @property
    def rubric_bytes(self) -> int:
        """UTF-8 bytes of every request without the message and the answer."""
        return _text_bytes(self._family.messages("", None, ""))

    def request(self, sample: Sample, answer: str, repeat: int = 0) -> Request:
        """The request about one answer, with the image if the family accepts images."""
        messages = self._family.messages(sample.text or "", sample.image_sha256, answer)
        return Request(messages, draw=repeat)

    def read(self, response: Response) -> Verdict:
        """Parse the verdict, or an outcome; see `vlsu.models.guards.reading`."""
        if response.outcome is not Outcome.OK:
            return Verdict(response.outcome)
        verdict = None if response.cut_off else self._family.read(after_reasoning(response.text))
        if verdict is None:
            return Verdict(Outcome.UNPARSED)
        return Verdict(Outcome.OK, refusal=verdict.refusal, safety=verdict.safety)


def _text_bytes(messages: tuple[Message, ...]) -> int:
    return sum(len(str(part).encode()) for message in messages for part in message.parts)
