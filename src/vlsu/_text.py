"""Foreign text as messages, terminals and files show it."""

from __future__ import annotations

import re

__all__ = ["harmless", "one_line"]

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
