"""Normalising words such as labels and grades, however they were typed or saved."""

from __future__ import annotations

import re
import unicodedata

from vlsu._text import normal_form

__all__ = ["plain_number", "plain_typing", "plain_word", "without_formula"]

_INVISIBLE = (
    "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2066\u2067\u2068\u2069\ufe0e\ufe0f\ufeff"
)
_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        "\u2026": "...",
        **dict.fromkeys(_INVISIBLE, None),
    }
)
_UNSEEN = str.maketrans(dict.fromkeys(_INVISIBLE))
#: A formula that is only a text, which keeps a spreadsheet from changing it.
_TEXT_FORMULA = re.compile(r'="((?:[^"]|"")*)"')
#: An integer, perhaps with added zero decimals and exponent.
_WHOLE = re.compile(r"(?P<sign>[-+]?)0*(?P<digits>\d+)(?:\.0*)?(?:[eE][-+]?0+)?")
#: Maximum pairs of quotes removed from a word, and characters of a number; both bound the time.
_MAX_QUOTES, _MAX_NUMBER_LENGTH = 3, 64


def without_formula(cell: str) -> str:
    """The text in a formula such as ``="007"``, which keeps a spreadsheet from showing 7."""
    found = _TEXT_FORMULA.fullmatch(cell)
    return found[1].replace('""', '"') if found else cell


def plain_typing(text: str) -> str:
    """A text without typographic variants, invisible characters and unusual spaces, in NFKC."""
    plain = text if text.isascii() else normal_form("NFKC", text).translate(_TYPOGRAPHY)
    return " ".join(plain.split())


def plain_word(cell: str) -> str:
    """A word without typography, surrounding quotes and text formulas."""
    seen = cell if cell.isascii() else cell.translate(_UNSEEN)
    text = plain_typing(without_formula(seen.strip()))
    for _ in range(_MAX_QUOTES):
        if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
            text = text[1:-1].strip()
    return text


def plain_number(word: str) -> str | None:
    """The digits of a whole number, the same for ``1``, ``01``, ``1.0`` and ``1E+00``.

    `None` for anything else: ``1.1`` and ``1.10`` may be two entries of a taxonomy.
    """
    found = _WHOLE.fullmatch(word) if len(word) <= _MAX_NUMBER_LENGTH else None
    if found is None:
        return None
    digits = "".join(str(unicodedata.digit(digit)) for digit in found["digits"])
    return f"-{digits}" if found["sign"] == "-" and digits != "0" else digits
