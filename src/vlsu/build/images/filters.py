"""What an image is refused for, before and after its bytes are read, and nothing is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vlsu.build.images.looks import Look, look
from vlsu.build.rails.rules import MINOR, Proposal, Rails, Refusal
from vlsu.data.images.pixels import Picture, decode_picture
from vlsu.data.images.probe import EXTENSIONS, MAX_BYTES, ImageError
from vlsu.data.images.stripping import stripped

if TYPE_CHECKING:
    from vlsu.build.plan.cells import Place
    from vlsu.build.sources.base import Candidate

__all__ = ["Refused", "Seen", "Shape", "by_rails", "decoded", "says_minor", "see", "words_of"]

#: Characters of a source's words that are looked at, and how deep they may lie.
_MAX_WORDS, _MAX_DEPTH = 20_000, 6


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an image goes no further.

    Attributes:
        reason: Short, the same for the same, without any of its content.
        everywhere: Whether it is refused for every place, not only for the one at hand.
        about: Numbers and names of what found it.
        sha256: Of the file as its source has it, if it was read.
    """

    reason: str
    everywhere: bool = True
    about: Mapping[str, object] | None = None
    sha256: str | None = None

    def with_sha256(self, sha256: str) -> Refused:
        """The same of a file that was read."""
        return replace(self, sha256=sha256)


@dataclass(frozen=True, slots=True)
class Shape:
    """How large an image must be.

    Attributes:
        min_side: Pixels of the shorter side.
        aspect: The longer side over the shorter one, at most.
    """

    min_side: int = 200
    aspect: float = 3.0

    def refused(self, width: int, height: int) -> Refused | None:
        """Why an image of that size is refused."""
        if min(width, height) < self.min_side:
            return Refused("too small")
        if max(width, height) > self.aspect * min(width, height):
            return Refused("too long or too high for its other side")
        return None

    def refused_as_stated(self, candidate: Candidate) -> Refused | None:
        """The same by what its source says, if it says so."""
        if candidate.width and candidate.height:
            return self.refused(candidate.width, candidate.height)
        return None


@dataclass(frozen=True, slots=True)
class Seen:
    """An image that was decoded, and is not stored yet.

    Attributes:
        data: The file without metadata: no place where it was taken, no camera.
        sha256: Of `data`.
        original: SHA-256 of the file as its source has it.
        media_type: Such as ``image/jpeg``.
        width: Pixels, upright; likewise `height`.
    """

    data: bytes
    sha256: str
    original: str
    media_type: str
    width: int
    height: int
    look: Look


def decoded(data: bytes) -> Picture | Refused:
    """Decode an image; one that moves is refused, since graders see its first frame alone."""
    if len(data) > MAX_BYTES:
        return Refused("too large")
    try:
        picture = decode_picture(data)
    except (ImageError, MemoryError):
        return Refused("no image that can be read")
    return Refused("moves") if picture.facts.animated else picture


def see(data: bytes, picture: Picture) -> Seen | Refused:
    """An image as it would be stored."""
    try:
        bare = stripped(data, picture.facts.extension)
    except (ImageError, MemoryError):
        return Refused("no image that can be read")
    return Seen(
        bare.data,
        hashlib.sha256(bare.data).hexdigest(),
        hashlib.sha256(data).hexdigest(),
        EXTENSIONS[bare.extension],
        *picture.image.size,
        look(picture.image),
    )


def words_of(candidate: Candidate) -> str:
    """All that a source says of an image in words: caption, title, tags."""
    return "\n".join((candidate.caption, *_texts(candidate.about)))[:_MAX_WORDS]


def by_rails(
    rails: Rails,
    text: str,
    places: Sequence[Place],
    kinds: Collection[str] | None,
    *,
    languages: Collection[str],
    stated: str | None = None,
) -> Refused | None:
    """Why words about an image, or words to find one by, are refused.

    Args:
        rails: The rules.
        text: The words.
        places: What the image is for; and of what belongs to no category, what it looks near.
        kinds: What it shows, as its concept and whoever saw it say; `None` if nobody does.
        languages: Whose words for age are looked for, if the language of the words is not known.
        stated: The language, if it is.
    """
    if stated:
        if (short := _base(stated)) in rails.languages:
            languages = {short}
        elif any(_closed_to_minors(rails, place) for place in places):
            return Refused("rails: words for age are not known in its language", everywhere=False)
    for place in places:
        for language in sorted(languages):
            proposal = Proposal(
                text=text,
                category=place.category,
                severity=place.severity,
                language=language,
                kinds=kinds,
            )
            if (refusal := rails.refusal(proposal)) is not None:
                return Refused(f"rails: {refusal.rule}", everywhere=_holds_anywhere(rails, refusal))
    return None


def says_minor(
    rails: Rails, text: str, languages: Collection[str], stated: str | None = None
) -> bool:
    """Whether words say that someone is under 18; `languages` as in `by_rails`."""
    short = _base(stated or "")
    looked = {short} if short in rails.languages else set(languages)
    return any(rails.ages[language].found(text) is not None for language in looked)


def _base(language: str) -> str:
    """``de`` of ``de-AT``."""
    return language.casefold().replace("_", "-").partition("-")[0]


def _holds_anywhere(rails: Rails, refusal: Refusal) -> bool:
    """Whether a rule is one for all categories and severities."""
    return any(
        rule.id == refusal.rule and not rule.categories and not rule.severities
        for rule in rails.rules
    )


def _closed_to_minors(rails: Rails, place: Place) -> bool:
    proposal = Proposal(text="", category=place.category, severity=place.severity, kinds={MINOR})
    return rails.refusal(proposal) is not None


def _texts(value: object, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            value = list(value.values())
        if isinstance(value, list | tuple):
            for each in value:
                yield from _texts(each, depth + 1)
