"""Untrusted text as messages, terminals and files may show it."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Literal

__all__ = [
    "both_ends",
    "collapsed_line",
    "harmless",
    "normal_form",
    "one_line",
    "quoted",
    "without_control_sequences",
]

#: Maximum combining marks on one character, as in Unicode's Stream-Safe Text Format (UAX 15).
_MAX_MARKS = 30
#: Texts of this length are normalised fast, even if they consist of combining marks.
_SHORT_LENGTH = 1000
#: Maximum characters of a text that are inspected to show its beginning.
_MAX_INSPECTED = 64 * 2**10
#: The last block with combining marks ends before this code point.
_NO_MARKS_FROM = 0x1E950

#: Terminal control sequences after ECMA-48: CSI, the strings (OSC, DCS, SOS, PM, APC), other
#: escapes, and a CSI truncated by the end of the text. Possessive quantifiers, each stopping at
#: the next sequence, keep the time linear.
_SEQUENCE = re.compile(
    "(?:(?<!\x1b)\x1b++\\[|\x9b)[0-?]*+[ -/]*+(?:[@-~]|\\Z)"
    "|(?:(?<!\x1b)\x1b++[PX\\]^_]|[\x90\x98\x9d-\x9f])"
    "[^\x07\x1b\x90\x98\x9c-\x9f]*+(?:\x07|\x1b\\\\|\x9c)"
    "|(?<!\x1b)\x1b++[ -/]*+[0-~]"
)
#: Single control characters, bidirectional overrides, and lone surrogates.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LINE_END = re.compile("\r\n?")


def one_line(value: object, length: int = 80) -> str:
    r"""A value on one line, of at most `length` characters and an ellipsis.

    Terminal control sequences are removed. Other unprintable characters are written as escapes such
    as ``\n``: line ends, control characters, bidirectional overrides, lone surrogates.
    """
    text = str(value)
    begins = text[:_MAX_INSPECTED]
    shown = without_control_sequences(begins)
    cut = shown[: length + 1]
    if not cut.isprintable():
        cut = "".join(char if char.isprintable() else repr(char)[1:-1] for char in cut)
    whole = len(begins) == len(text) and len(shown) <= length and len(cut) <= length
    return cut if whole else f"{cut[:length]}…"


def both_ends(value: object, length: int = 200) -> str:
    """`one_line` with the middle left out where it is longer: an error's cause stands at its end.

    The path that it begins with may be of any length.
    """
    line = one_line(value, _MAX_INSPECTED)
    half = length // 2
    return line if len(line) <= length else f"{line[: length - half]}…{line[-half:]}"


def collapsed_line(text: str, length: int = 200) -> str:
    """Text from a server or a library as one line: white space and controls become single spaces.

    At most `length` characters, and no control sequences. `one_line` escapes instead, for values
    whose exact spelling matters.
    """
    text = without_control_sequences(text[:_MAX_INSPECTED])[: 8 * length]
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:length]


def quoted(value: str, length: int = 40) -> str:
    """A value in quotation marks, cut to `length` characters, with escapes for control characters.

    Messages about a dataset quote values so, in order that they never hold a sample's whole text.
    """
    return repr(value if len(value) <= length else value[:length] + "…")


def without_control_sequences(text: str) -> str:
    """A text without terminal control sequences and their parameters."""
    return text if text.isprintable() else _SEQUENCE.sub("", text)


def harmless(text: str) -> str:
    """A text that cannot control a terminal: sequences removed, control characters as U+FFFD.

    Line feeds and tabs stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub("\ufffd", without_control_sequences(_LINE_END.sub("\n", text)))


def normal_form(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
    """A text in a Unicode normal form, in time linear in its length.

    Of the combining marks on one character of a long text, the first 30 are kept, since sorting
    marks takes time quadratic in their number.
    """
    if len(text) > _SHORT_LENGTH and not text.isascii():
        # A run that is too long reaches one of these places.
        marks, too_many = _marks()
        if marks.search(text[_MAX_MARKS :: _MAX_MARKS + 1]):
            text = too_many.sub(lambda run: run[0][:_MAX_MARKS], text)
    return unicodedata.normalize(form, text)


@cache
def _marks() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Match a combining mark, and a run of more of them than are kept."""
    marks = [
        character
        for character in map(chr, range(0x80, _NO_MARKS_FROM))
        if not 0xD800 <= ord(character) <= 0xDFFF
        and unicodedata.combining(unicodedata.normalize("NFKD", character)[0])
    ]
    mark = f"[{''.join(marks)}]"
    return re.compile(mark), re.compile(rf"{mark}{{{_MAX_MARKS + 1},}}")
