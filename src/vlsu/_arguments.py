"""Arguments from Python: one of the wrong kind is refused in one line that names it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from vlsu._text import one_line
from vlsu.errors import UsageError

__all__ = ["require_function", "require_kind", "require_kinds", "require_list", "require_path"]

#: Kind of a value -> what to give.
_WANTED: dict[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path",
    Sequence: "a list",
    Mapping: "a mapping, such as {'temperature': 0}",
}


def require_kinds(options: Any) -> None:
    """Check that every field of a dataclass holds a value of a kind that its annotation allows.

    Of lists and mappings only the outside is checked. A field that may be a protocol, such as a
    model, is not checked: what such an object lacks is for its user to say.

    Raises:
        UsageError: One does not; the message names the field, the value and what to give.
    """
    made: Any = type(options)
    for name, kinds in _kinds(made).items():
        value = getattr(options, name)
        if any(_is(value, kind) for kind in kinds):
            continue
        if Sequence in kinds:
            require_list(name, value)
        kinds = tuple(kind for kind in kinds if not (kind is str and Path in kinds))
        wanted = [_wanted(kind) for kind in kinds if not _is_absence(kind)]
        raise UsageError(f"{name} {_shown(value)}: give {' or '.join(wanted)}")


def require_kind(name: str, value: object, kind: type) -> None:
    """Check that an argument is of a kind; whole numbers are numbers too, truth values are not.

    Raises:
        UsageError: It is not; the message names the argument, the value and what to give.
    """
    if not _is(value, kind):
        raise UsageError(f"{name} {_shown(value)}: give {_wanted(kind)}")


def require_list(name: str, value: object) -> None:
    """Check that an option of several values is a list, and no single text, set or number.

    Raises:
        UsageError: It is not.
    """
    if not _is(value, Sequence):
        example = f", such as [{_shown(value)}]" if isinstance(value, str) else ""
        raise UsageError(f"{name} {_shown(value)}: give a list{example}")


def require_function(name: str, value: object) -> None:
    """Check that an argument can be called, if it is given.

    Raises:
        UsageError: It cannot.
    """
    if value is not None and not callable(value):
        raise UsageError(f"{name} {_shown(value)}: give a function, or None")


def require_path(name: str, value: object) -> Path:
    """A path given as text or as a path.

    Raises:
        UsageError: It is neither, or cannot be a path.
    """
    if isinstance(value, str | os.PathLike):
        path = os.fspath(value)
        if isinstance(path, str) and path.strip() and "\0" not in path:
            return Path(path)
    raise UsageError(f"{name} {_shown(value)}: give a path")


@cache
def _kinds(options: type) -> dict[str, tuple[Any, ...]]:
    """Field -> the kinds that it may hold, of the fields that are checked."""
    hints = get_type_hints(options)
    kinds = {each.name: tuple(_flat(hints[each.name])) for each in fields(options)}
    return {name: found for name, found in kinds.items() if found and None not in found}


def _flat(hint: Any) -> list[Any]:
    """The kinds of a hint; `None` among them stands for one that cannot be checked."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return [kind for each in get_args(hint) for kind in _flat(each)]
    kind = origin or hint
    return [None if origin is Literal or getattr(kind, "_is_protocol", False) else kind]


def _is(value: object, kind: Any) -> bool:
    if kind in (int, float):
        numbers = (int,) if kind is int else (int, float)
        return isinstance(value, numbers) and not isinstance(value, bool)
    if kind is Sequence:
        return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)
    if kind is Path:
        return isinstance(value, os.PathLike)
    return isinstance(value, kind)


def _is_absence(kind: Any) -> bool:
    """Whether a value of this kind says that none is given."""
    return kind is NoneType or issubclass(kind, Enum)


def _wanted(kind: Any) -> str:
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    return _WANTED.get(kind) or f"{article} {kind.__name__} object"


def _shown(value: object) -> str:
    return one_line(repr(value), 60)
