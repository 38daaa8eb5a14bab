"""Finding columns by name, in any spelling."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vlsu.errors import DataError
from vlsu.registry import did_you_mean

__all__ = ["columns_found", "find_column", "listing", "normalise", "split_names"]

#: Maximum names, and characters of a name, in a message.
_MAX_NAMES, _MAX_NAME_LENGTH = 20, 60
#: Maximum words of a column's name: what has more may be a text.
_MAX_WORDS = 5
#: What stands in a row, not among names: a number, a file, an address, a grade, a piece of JSON.
_VALUE = re.compile(
    r"[+-]?[\d.,]+|.+\.(jpe?g|png|webp|gif|bmp)|https?://.+|data:.+|safe|borderline|unsafe|.*[{}\[\]].*"
    r"|.*\".+\".*",
    re.IGNORECASE | re.DOTALL,
)
#: What may be a name and is more often a value: then only single words are taken for names.
_LABEL = re.compile(
    r"yes|no|true|false|ja|nein|(un)?harmful|harmless|benign|toxic|not[ _]sure|c\d{1,2}"
    r"|\w+[-_]\d{3,}|\w{1,2}-\d+",
    re.IGNORECASE,
)


def normalise(column: str) -> str:
    """A column's name in lower case, without outer spaces, and with underscores as separators."""
    return re.sub(r"[\s_\-]+", "_", column.strip().lower())


def listing(names: Sequence[str]) -> str:
    """Names for a message: the first ones, truncated, and the number of others."""
    shown = ", ".join(_short(name) for name in names[:_MAX_NAMES])
    more = len(names) - _MAX_NAMES
    return f"{shown} and {more:,} more" if more > 0 else shown or "none"


def columns_found(header: Sequence[str]) -> str:
    """A file's columns, for the message that one is missing.

    The first line of a file without a header is a row, whose content no message shows: it is called
    a row where it looks like one, and what is longer than names are is told by its length.

    Example:
        >>> columns_found(["id", "the query", "How does falling from up there feel"])
        'id, the query, a text of 35 characters'
        >>> columns_found(["I wonder", "roof.jpg", "safe"])
        '3 values that look like those of a row; give the file a first line with names of columns'
    """
    if any(_VALUE.fullmatch(name.strip()) for name in header):
        return (
            f"{len(header)} values that look like those of a row; give the file a first line with "
            "names of columns"
        )
    most = 1 if any(_LABEL.fullmatch(name.strip()) for name in header) else _MAX_WORDS
    return listing([_named(name, most) for name in header])


def _named(name: str, most: int = _MAX_WORDS) -> str:
    """A column's name, or how long it is if it may be a text: it has more words than `most`."""
    if len(name.split()) <= most and len(name) <= _MAX_NAME_LENGTH:
        return name
    return f"a text of {len(name):,} characters"


def find_column(header: Sequence[str], wanted: str, where: str, option: str) -> int:
    """Position of the column with a name: an exact match, else by the normalised name.

    Args:
        header: The columns' names.
        wanted: The name.
        where: The file and the line of its header, for messages.
        option: The option that names the column, such as ``"--map Prompt=text"``.

    Raises:
        DataError: There is no such column, or several.
    """
    found = [n for n, name in enumerate(header) if name == wanted.strip()]
    if not found:
        folded = normalise(wanted)
        found = [n for n, name in enumerate(header) if normalise(name) == folded]
    if len(found) == 1:
        return found[0]
    if not found:
        named = [name for name in header if name and _named(name) == name]
        near = did_you_mean(wanted, named, f"found: {columns_found(header)}")
        raise DataError(f"{where}: no column {_short(wanted)!r} ({option}); {near}")
    spelt = list(dict.fromkeys(header[n] for n in found))
    if len(spelt) == 1:
        raise DataError(
            f"{where}: {len(found)} columns are called {_short(spelt[0])!r} ({option}); rename all "
            "but one"
        )
    raise DataError(
        f"{where}: {_short(wanted)!r} fits the columns {listing(spelt)} ({option}); write the one "
        "that is meant as the file does"
    )


def split_names(text: str, known: Sequence[str]) -> list[str]:
    """Split names at commas, except within known names that contain commas.

    At each position the longest matching known name is taken; an unknown name ends at the next
    comma.
    """
    pieces = text.split(",")
    folded = {normalise(name) for name in known}
    longest = max((name.count(",") + 1 for name in known), default=1)
    names: list[str] = []
    while pieces:
        for count in range(min(longest, len(pieces)), 0, -1):
            name = ",".join(pieces[:count])
            if count == 1 or normalise(name) in folded:
                names.append(name.strip())
                del pieces[:count]
                break
    return names


def _short(name: str) -> str:
    return name if len(name) <= _MAX_NAME_LENGTH else name[:_MAX_NAME_LENGTH] + "…"
