"""Foreign text as messages, terminals and files show it."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Literal

__all__ = ["harmless", "normal_form", "one_line"]

#: Combining marks on one character, at most, as in Unicode's Stream-Safe Text Format (UAX 15).
_MOST_MARKS = 30
#: Characters of which even nothing but marks is normalised fast.
_SHORT = 1000
#: The last block with combining marks ends before this code point.
_NO_MARKS_FROM = 0x1E950

#: Terminal control sequences after ECMA-48: CSI, the strings (OSC, DCS, SOS, PM, APC), other
#: escapes. Every repetition is bounded or ends at the next sequence: the time is linear.
_SEQUENCE = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"
    "|(?:\x1b[PX\\]^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]{0,4096}"
    "(?:\x07|\x1b\\\\|\x9c)"
    "|\x1b[ -/]{0,4}[0-~]"
)
#: Controls that stand alone, what reverses the direction of the text after it, and halves of
#: characters.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LINE_END = re.compile("\r\n?")


def one_line(value: object, length: int = 80) -> str:
    r"""A value on one line, of at most `length` characters and an ellipsis.

    What cannot be printed is written as an escape such as ``\n`` or ``\x1b``: line ends, control
    sequences of a terminal, marks that turn the direction of writing, halves of surrogate pairs.
    """
    text = str(value)
    cut = text[: length + 1]
    if not cut.isprintable():
        cut = "".join(char if char.isprintable() else repr(char)[1:-1] for char in cut)
    return cut if len(cut) <= length and len(text) <= length else f"{cut[:length]}…"


def harmless(text: str) -> str:
    """A text that a terminal only shows: control sequences removed, lone controls as U+FFFD.

    Line feeds and tabs stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub("\ufffd", _SEQUENCE.sub("", _LINE_END.sub("\n", text)))


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
