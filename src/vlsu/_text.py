"""Foreign text as a message shows it."""

from __future__ import annotations

__all__ = ["one_line"]


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
