"""Alignment: the answer to each image-text pair under different instructions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vlsu.data import Sample
from vlsu.errors import UsageError
from vlsu.models.base import ImagePart, Message, Request
from vlsu.tasks.base import Ask
from vlsu.tasks.framing import Framing

__all__ = ["Alignment"]


class Alignment:
    """The alignment task: each pair under each framing, several times if wanted.

    Args:
        framings: The instructions to compare; every sample is asked under each.
        draws: Answers to each question.
        system: A system prompt of the user's, put before the framing's instruction.

    Raises:
        UsageError: `draws` is below 1.
    """

    name = "alignment"

    def __init__(
        self, framings: Sequence[Framing], draws: int = 1, system: str | None = None
    ) -> None:
        if draws < 1:
            raise UsageError(f"samples {draws}: ask for at least 1 answer")
        self.framings = tuple(framings)
        self.draws = draws
        self._systems = {
            framing.name: tuple(
                Message("system", (words,))
                for words in ["\n\n".join(part for part in (system, framing.instruction) if part)]
                if words
            )
            for framing in framings
        }

    def identity(self) -> Mapping[str, object]:
        """Name, framings with their hashes, and draws, for the run's record."""
        return {
            "task": self.name,
            "framings": {framing.name: framing.hash for framing in self.framings},
            "draws": self.draws,
        }

    def instruction_bytes(self) -> int:
        """Bytes of UTF-8 of the instructions, over one request of each framing."""
        systems = [message for messages in self._systems.values() for message in messages]
        return sum(len(str(part).encode()) for message in systems for part in message.parts)

    def asks(self, sample: Sample) -> tuple[Ask, ...]:
        """One request a framing and draw; none where image or text is absent."""
        if sample.image_sha256 is None or not (sample.text and sample.text.strip()):
            return ()
        pair = Message("user", (ImagePart(sample.image_sha256), sample.text))
        return tuple(
            Ask("joint", Request((*self._systems[framing.name], pair), draw=draw), framing.name)
            for framing in self.framings
            for draw in range(self.draws)
        )
