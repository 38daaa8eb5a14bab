"""From captions to the words they are found by, in whichever language they are written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from vlsu._text import normal_form
from vlsu.build.sources.base import Candidate

__all__ = ["STEM", "described", "words_of"]

#: Letters of a word's beginning that stand for its other forms, in place of a stemmer for each
#: language (as Mayfield and McNamee 2003, "Single n-gram stemming", let one n-gram of a word do).
STEM = 5
#: Characters of what describes one image that are read, at most.
MOST_CHARACTERS = 4_000
#: Scripts written without spaces between words, and Korean, whose words end in particles: pairs of
#: neighbouring characters stand for words.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao; Burmese; Khmer
    "\u3005\u3040-\u30ff\u31f0-\u31ff"  # Japanese syllables
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # ideographs
    "\uac00-\ud7af"  # Korean syllables
)
_PART = re.compile(f"[{_UNSPACED}]+|[^\\W_{_UNSPACED}]+")
_FIRST_UNSPACED = re.compile(f"[{_UNSPACED}]")
#: Of `Candidate.about`, what is no description: addresses, and names of files and of codes.
_ADDRESS = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*://|[0-9a-fA-F-]{16,}\s*$)")


def words_of(text: str) -> Iterator[str]:
    """The terms that a text is indexed and searched by, in their order, with repetitions.

    Letters are folded (case, width, accents); a word of more than `STEM` letters stands for itself
    and, by its beginning, for its other forms. Where words are not spaced, neighbouring characters
    are taken in pairs.
    """
    for match in _PART.finditer(_folded(text)):
        part = match.group()
        if _FIRST_UNSPACED.match(part):
            yield from _pairs(part)
            continue
        yield part
        if len(part) > STEM:
            yield f"{part[:STEM]}~"


def described(candidate: Candidate) -> str:
    """All that a source says of what an image shows: its caption and the texts of `about`."""
    parts = [candidate.caption, *_texts(candidate.about)]
    return "\n".join(part for part in parts if part)[:MOST_CHARACTERS]


def _folded(text: str) -> str:
    plain = normal_form("NFKD", normal_form("NFKD", text).casefold())  # of "𝐀" a letter first
    kept = "".join(char for char in plain if unicodedata.category(char) != "Mn")
    return normal_form("NFC", kept)  # Korean syllables whole again


def _pairs(part: str) -> Iterator[str]:
    if len(part) == 1:
        yield part
    for index in range(len(part) - 1):
        yield part[index : index + 2]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if not _ADDRESS.match(value):
            yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for each in value:
            yield from _texts(each)
