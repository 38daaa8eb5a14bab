"""What follows the name in a SPEC of a local source: a path and options, ``PATH?caption=alt``."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from vlsu._text import quoted
from vlsu.errors import UsageError
from vlsu.registry import did_you_mean

__all__ = ["Where", "read_where"]

_OPTIONS = re.compile(r"\?(?P<options>\w+=[^&=]*(?:&\w+=[^&=]*)*)\Z")


@dataclass(frozen=True, slots=True)
class Where:
    """A path, and how what lies there is to be read.

    Attributes:
        path: The file or folder.
        options: Name -> value.
    """

    path: Path
    options: dict[str, str] = field(default_factory=dict)


def read_where(name: str, text: str, known: Collection[str]) -> Where:
    """Read what follows ``name:``.

    A path that exists is one, whatever it looks like; values may be percent-encoded.

    Args:
        name: Of the kind of source, for messages.
        text: Such as ``photos?caption=alt&licence=rights``.
        known: Names of options.

    Raises:
        UsageError: There is no path, or an option is unknown or given twice.
    """
    spec = f"--source {name}:{text}"
    found = _OPTIONS.search(text)
    if found is None or Path(text).exists():
        path, pairs = text, []
    else:
        path = text[: found.start()]
        pairs = [pair.split("=") for pair in found["options"].split("&")]
    if not path:
        raise UsageError(f"{spec}: names no path; write {name}:PATH")
    options: dict[str, str] = {}
    for option, value in pairs:
        if option not in known:
            hint = did_you_mean(option, sorted(known))
            raise UsageError(f"{spec}: unknown option {quoted(option)}; {hint}")
        if option in options:
            raise UsageError(f"{spec}: option {quoted(option)} is given twice; give it once")
        if not value:
            raise UsageError(f"{spec}: option {quoted(option)} has no value; write {option}=NAME")
        options[option] = unquote(value)
    return Where(Path(path), options)
