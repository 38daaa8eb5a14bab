"""Judging an answer by a guard: it is shown the exchange in its own format, without a rubric."""

from __future__ import annotations

from vlsu.data import Sample
from vlsu.models.base import Message, Outcome, Request, Response
from vlsu.models.guards import GuardFamily
from vlsu.models.output import after_reasoning
from vlsu.tasks.judging.base import Verdict

__all__ = ["GuardTask"]


class GuardTask:
    """Requests to a guard, and the reading of what it prints.

    What a guard says has no response kind in it: ``safe`` is said of most help and of every refusal
    alike. So a verdict holds refusal and safety as far as the family gives them, and nothing else.

    Args:
        family: The guard's.
    """

    def __init__(self, family: GuardFamily) -> None:
        self._family = family
        self.gives = family.gives

    @property
    def sees_images(self) -> bool:
        """Whether it is shown the user's image."""
        return self._family.sees_images

    @property
    def hash(self) -> str:
        """SHA-256 of the form of what it is sent."""
        return self._family.hash

    @property
    def rubric_bytes(self) -> int:
        """Bytes of UTF-8 that it is sent beside the message and the answer."""
        return _words(self._family.messages("", None, ""))

    def request(self, sample: Sample, answer: str, repeat: int = 0) -> Request:
        """What the guard is sent about one answer; the image only where it takes one."""
        messages = self._family.messages(sample.text or "", sample.image_sha256, answer)
        return Request(messages, draw=repeat)

    def read(self, response: Response) -> Verdict:
        """The verdict in its words, or an outcome; see `vlsu.models.guards.reading`."""
        if response.outcome is not Outcome.OK:
            return Verdict(response.outcome)
        found = None if response.cut_off else self._family.read(after_reasoning(response.text))
        if found is None:
            return Verdict(Outcome.UNPARSED)
        return Verdict(Outcome.OK, refusal=found.refusal, safety=found.safety)


def _words(messages: tuple[Message, ...]) -> int:
    return sum(len(str(part).encode()) for message in messages for part in message.parts)
