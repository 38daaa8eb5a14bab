"""Answers as the judge reads them: one spelling, no punctuation, no words to the judge."""

from __future__ import annotations

import re

from vlsu._text import normal_form

__all__ = ["BREAK", "broken", "plain", "sentences", "unquoted"]

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
#: The same, letter case and apostrophes of a text in ASCII, in which nothing else is to be folded.
_ASCII = {
    code: " " if _BETWEEN_WORDS.match(chr(code)) else chr(code).casefold().translate(_FOLDED)
    for code in range(128)
}
#: A character to be folded.
_TO_FOLD = re.compile(f"[{''.join(map(chr, _FOLDED))}]")
_SENTENCE_MARKS = r".!?;。！？；।؟؛{}\[\]()\n"
_SENTENCE = re.compile(rf"[^{_SENTENCE_MARKS}]+[{_SENTENCE_MARKS}]*")

#: Stands between the sentences of a text that `broken` made plain; no character of any script.
BREAK = "\ue000"
_BREAK = re.compile(r"[.!?…;。！？；؟؛।\n](?:(?<=[。！？；؟؛।\n])|(?=[\s.!?\"'”’)*_]|\Z))")

#: Double quotes of the twelve languages, within a line. Not single ones: they are apostrophes too.
_QUOTED = re.compile(
    r"“[^”“\n]+”|„[^“”„\n]+[“”]|«[^»«\n]+»|「[^」「\n]+」|『[^』『\n]+』|\"[^\"\n]+\""
)


def plain(text: str) -> str:
    """Compatible characters and letter cases folded, punctuation and white space one space each.

    Starts and ends with a space, so that ``" word"`` finds a word by its beginning; a text without
    words gives one space.
    """
    if text.isascii():
        words = " ".join(text.translate(_ASCII).split())
    else:
        folded = normal_form("NFKC", text).casefold()
        if _TO_FOLD.search(folded):
            folded = folded.translate(_FOLDED)
        words = _BETWEEN_WORDS.sub(" ", folded).strip()
    return f" {words} " if words else " "


def broken(text: str) -> str:
    """The text as `plain` gives it, with a `BREAK` between its sentences.

    A colon ends none: what it announces belongs to it.
    """
    return plain(_BREAK.sub(f" {BREAK} ", text))


def sentences(text: str) -> list[str]:
    """Split after sentence marks, brackets and line ends, for finding words to the judge.

    A piece need not be a sentence of the language: "e.g." is cut.
    """
    return _SENTENCE.findall(text)


def unquoted(text: str) -> str:
    """The text without what it quotes and need not mean; as it is where all is quoted."""
    kept = _QUOTED.sub(" ", text)
    return kept if kept == text or plain(kept) != " " else text
