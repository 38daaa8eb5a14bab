"""Alignment: answers to image-text pairs under different instructions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from vlsu.data import Sample
from vlsu.errors import UsageError
from vlsu.models.base import ImagePart, Message, Outcome, Part, Request, Response
from vlsu.tasks.base import TaskRequest, system_identity
from vlsu.tasks.delimiters import content_marker
from vlsu.tasks.framing import Framing

__all__ = ["CAPTION", "Alignment", "read_reply"]

#: Metadata key of a sample's caption: a neutral description of the image.
CAPTION = "caption"


class Alignment:
    """The alignment task: each pair under each framing, with one or several draws.

    Args:
        framings: The instructions to compare; every sample is sent under each.
        draws: Answers per sample and framing.
        system: A custom system prompt, put before the framing's instruction.
        captions: Whether to send a sample's caption (``caption`` in its metadata) instead of its
            image: for text-only models, and to measure what the image contributes.

    Raises:
        UsageError: `draws` is below 1.
    """

    name = "alignment"

    def __init__(
        self,
        framings: Sequence[Framing],
        draws: int = 1,
        system: str | None = None,
        *,
        captions: bool = False,
    ) -> None:
        if draws < 1:
            raise UsageError(f"samples {draws}: ask for at least 1 answer")
        self.framings = tuple(framings)
        self.draws = draws
        self.captions = captions
        self._custom_system = system
        self._systems = {
            framing.name: tuple(
                Message("system", (text,))
                for text in ["\n\n".join(part for part in (system, framing.instruction) if part)]
                if text
            )
            for framing in framings
        }

    def identity(self) -> Mapping[str, object]:
        """Name, framings with their hashes, draws and captions, for the run's record."""
        return {
            "task": self.name,
            "framings": {framing.name: framing.hash for framing in self.framings},
            "draws": self.draws,
            "captions": self.captions,
            **system_identity(self._custom_system),
        }

    def instruction_bytes(self) -> int:
        """UTF-8 bytes of the instructions, over one request of each framing."""
        systems = [message for messages in self._systems.values() for message in messages]
        return sum(len(str(part).encode()) for message in systems for part in message.parts)

    def requests(self, sample: Sample) -> tuple[TaskRequest, ...]:
        """One request per framing and draw; none if image, caption or text is missing."""
        if sample.image_sha256 is None or not (sample.text and sample.text.strip()):
            return ()
        shown: tuple[Part, ...] = (ImagePart(sample.image_sha256), sample.text)
        if self.captions:
            caption = sample.metadata.get(CAPTION)
            if caption is None or not str(caption).strip():
                return ()
            shown = (_with_caption(str(caption), sample.text),)
        pair = Message("user", shown)
        return tuple(
            TaskRequest(
                "joint", Request((*self._systems[framing.name], pair), draw=draw), framing.name
            )
            for framing in self.framings
            for draw in range(self.draws)
        )


def read_reply(response: Response) -> Response:
    """A response as judges see it: without reasoning that the server left in its text.

    Returns:
        `Outcome.UNPARSED` with the unchanged text if there is nothing outside of reasoning.
    """
    if response.outcome is not Outcome.OK:
        return response
    from vlsu.models.output import reply_text

    text = reply_text(response.text)
    return response._replace(text=text) if text else response._replace(outcome=Outcome.UNPARSED)


def _with_caption(caption: str, text: str) -> str:
    """A caption in square brackets before a text; neither can close it or open another."""
    mark = ""
    if re.search(r"[\[\]\n]", caption) or re.search(r"\[\W*image\b", text, re.IGNORECASE):
        mark = f" {content_marker(caption, text)}"
    return f"[Image{mark}: {caption}{mark}]\n\n{text}"
