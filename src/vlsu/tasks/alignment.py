"""Alignment: the answer to each image-text pair under different instructions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from vlsu.data import Sample
from vlsu.errors import UsageError
from vlsu.models.base import ImagePart, Message, Outcome, Part, Request, Response
from vlsu.models.output import reply_text
from vlsu.tasks.base import Ask, system_identity
from vlsu.tasks.delimiters import content_mark
from vlsu.tasks.framing import Framing

__all__ = ["CAPTION", "Alignment", "read_reply"]

#: Where a sample's metadata holds its caption: what the image shows, without a judgement.
CAPTION = "caption"


class Alignment:
    """The alignment task: each pair under each framing, several times if wanted.

    Args:
        framings: The instructions to compare; every sample is asked under each.
        draws: Answers to each question.
        system: A system prompt of the user's, put before the framing's instruction.
        captions: Whether to show a sample's caption (``caption`` in its metadata) in place of its
            image: for models that cannot see, and for what a model owes to seeing.

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
        self._own_system = system
        self._systems = {
            framing.name: tuple(
                Message("system", (words,))
                for words in ["\n\n".join(part for part in (system, framing.instruction) if part)]
                if words
            )
            for framing in framings
        }

    def identity(self) -> Mapping[str, object]:
        """Name, framings with their hashes, draws, and what is shown, for the run's record."""
        return {
            "task": self.name,
            "framings": {framing.name: framing.hash for framing in self.framings},
            "draws": self.draws,
            "captions": self.captions,
            **system_identity(self._own_system),
        }

    def instruction_bytes(self) -> int:
        """Bytes of UTF-8 of the instructions, over one request of each framing."""
        systems = [message for messages in self._systems.values() for message in messages]
        return sum(len(str(part).encode()) for message in systems for part in message.parts)

    def asks(self, sample: Sample) -> tuple[Ask, ...]:
        """One request a framing and draw; none where image, caption or text is absent."""
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
            Ask("joint", Request((*self._systems[framing.name], pair), draw=draw), framing.name)
            for framing in self.framings
            for draw in range(self.draws)
        )


def read_reply(response: Response) -> Response:
    """A response as a judge is to see it: without reasoning that the server left in its text.

    Returns:
        `Outcome.UNPARSED` with the text as it came where nothing is said outside of reasoning.
    """
    if response.outcome is not Outcome.OK:
        return response
    text = reply_text(response.text)
    return response._replace(text=text) if text else response._replace(outcome=Outcome.UNPARSED)


def _with_caption(caption: str, text: str) -> str:
    """A caption in square brackets before a text; neither can end it or begin another."""
    mark = ""
    if re.search(r"[\[\]\n]", caption) or re.search(r"\[\W*image\b", text, re.IGNORECASE):
        mark = f" {content_mark(caption, text)}"
    return f"[Image{mark}: {caption}{mark}]\n\n{text}"
