"""Answers as the judge reads them: one spelling, no punctuation, no words to the judge."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

__all__ = ["plain", "sentences", "unquoted"]

#: Spellings folded together: apostrophes, Arabic letters as Persian keyboards write them, and marks
#: that are there or not (joiners, Arabic vowel signs).
_FOLDED = str.maketrans(
    {
        "’": "'",
        "‘": "'",
        "`": "'",
        "´": "'",
        "ʼ": "'",
        "ي": "ی",
        "ى": "ی",
        "ك": "ک",
        "أ": "ا",
        "إ": "ا",
        "آ": "ا",
        "ة": "ه",
        "ё": "е",
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad\u0640", None),
        **{chr(mark): None for mark in range(0x064B, 0x0656)},
    }
)
#: Not ``\W``, which would cut vowel signs from the consonants of Devanagari.
_BETWEEN_WORDS = re.compile(
    r"[\s!-&(-/:-@\[-^{-~\u00a1-\u00bf\u2010-\u2027\u2030-\u205e\u3001-\u3003"
    r"\u3008-\u3011\u3014-\u301f\u060c\u061b\u061f\u0964\u0965\ufe0f\u30fb]+"
)
_SENTENCE_MARKS = r".!?;。！？；।؟؛{}\[\]()\n"
_SENTENCE = re.compile(rf"[^{_SENTENCE_MARKS}]+[{_SENTENCE_MARKS}]*")

#: Double quotes of the twelve languages, within a line. Not single ones: they are apostrophes too.
_QUOTED = re.compile(
    r"“[^”“\n]+”|„[^“”„\n]+[“”]|«[^»«\n]+»|「[^」「\n]+」|『[^』『\n]+』|\"[^\"\n]+\""
)


#: Combining marks on one character, at most, as in Unicode's Stream-Safe Text Format (UAX 15).
_MOST_MARKS = 30
#: Characters of which even nothing but marks is normalised fast.
_SHORT = 1000
#: The last block with combining marks ends before this code point.
_NO_MARKS_FROM = 0x1E950


def plain(text: str) -> str:
    """Compatible characters and letter cases folded, punctuation and white space one space each.

    Of the marks on one character, `_MOST_MARKS` are kept: their order is normalised in time that
    grows with the square of their number.

    Starts and ends with a space, so that ``" word"`` finds a word by its beginning; a text without
    words gives one space.
    """
    if len(text) > _SHORT and not text.isascii():
        text = _too_many_marks().sub(lambda run: run[0][:_MOST_MARKS], text)
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_FOLDED)
    words = _BETWEEN_WORDS.sub(" ", folded).strip()
    return f" {words} " if words else " "


@cache
def _too_many_marks() -> re.Pattern[str]:
    """Runs of more combining marks than are kept."""
    marks = [
        character
        for character in map(chr, range(0x80, _NO_MARKS_FROM))
        if not 0xD800 <= ord(character) <= 0xDFFF
        and unicodedata.combining(unicodedata.normalize("NFKD", character)[0])
    ]
    return re.compile(rf"[{''.join(marks)}]{{{_MOST_MARKS + 1},}}")


def sentences(text: str) -> list[str]:
    """Split after sentence marks, brackets and line ends, for finding words to the judge.

    A piece need not be a sentence of the language: "e.g." is cut.
    """
    return _SENTENCE.findall(text)


def unquoted(text: str) -> str:
    """The text without what it quotes and need not mean; as it is where all is quoted."""
    kept = _QUOTED.sub(" ", text)
    return kept if plain(kept) != " " else text
