"""Foreign text as messages, terminals and files show it."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Literal

__all__ = ["harmless", "normal_form", "one_line", "quoted", "without_sequences"]

#: Combining marks on one character, at most, as in Unicode's Stream-Safe Text Format (UAX 15).
_MOST_MARKS = 30
#: Characters of which even nothing but marks is normalised fast.
_SHORT = 1000
#: Characters of a text that are looked at for what is shown of it.
_LOOKED_AT = 64 * 2**10
#: The last block with combining marks ends before this code point.
_NO_MARKS_FROM = 0x1E950

#: Terminal control sequences after ECMA-48: CSI, the strings (OSC, DCS, SOS, PM, APC), other
#: escapes; a CSI that the end of the text cuts off is one. No repetition is tried twice, and each
#: ends at the next sequence: the time is linear.
_SEQUENCE = re.compile(
    "(?:(?<!\x1b)\x1b++\\[|\x9b)[0-?]*+[ -/]*+(?:[@-~]|\\Z)"
    "|(?:(?<!\x1b)\x1b++[PX\\]^_]|[\x90\x98\x9d-\x9f])"
    "[^\x07\x1b\x90\x98\x9c-\x9f]*+(?:\x07|\x1b\\\\|\x9c)"
    "|(?<!\x1b)\x1b++[ -/]*+[0-~]"
)
#: Controls that stand alone, what reverses the direction of the text after it, and halves of
#: characters.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LINE_END = re.compile("\r\n?")


def one_line(value: object, length: int = 80) -> str:
    r"""A value on one line, of at most `length` characters and an ellipsis.

    Control sequences of a terminal are left out. Whatever else cannot be printed is written as an
    escape such as ``\n``: line ends, lone controls, marks that turn the direction of writing,
    halves of surrogate pairs.
    """
    text = str(value)
    begins = text[:_LOOKED_AT]
    shown = without_sequences(begins)
    cut = shown[: length + 1]
    if not cut.isprintable():
        cut = "".join(char if char.isprintable() else repr(char)[1:-1] for char in cut)
    whole = len(begins) == len(text) and len(shown) <= length and len(cut) <= length
    return cut if whole else f"{cut[:length]}…"


def quoted(value: str, length: int = 40) -> str:
    """A value in quotation marks, cut to `length` characters, with escapes for control characters.

    Messages about a dataset quote values so, in order that they never hold a sample's whole text.
    """
    return repr(value if len(value) <= length else value[:length] + "…")


def without_sequences(text: str) -> str:
    """A text without the control sequences of terminals, their parameters included."""
    return text if text.isprintable() else _SEQUENCE.sub("", text)


def harmless(text: str) -> str:
    """A text that a terminal only shows: control sequences removed, lone controls as U+FFFD.

    Line feeds and tabs stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub("\ufffd", without_sequences(_LINE_END.sub("\n", text)))


def normal_form(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
    """A text in a Unicode normal form, in time that grows with its length.

    Of the combining marks on one character of a long text, the first 30 are kept: putting marks in
    order takes time that grows with the square of their number.
    """
    if len(text) > _SHORT and not text.isascii():
        text = _too_many_marks().sub(lambda run: run[0][:_MOST_MARKS], text)
    return unicodedata.normalize(form, text)


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
