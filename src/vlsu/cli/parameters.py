"""The values of options and arguments: read in one place, refused in one line."""

from __future__ import annotations

import copy
import inspect
import math
import os
import re
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import ArgumentInfo, OptionInfo

from vlsu.errors import UsageError

__all__ = ["read_strictly"]

#: Whole numbers are kept to what JSON, Parquet and SQLite hold: 64 bits with a sign.
_MOST = 2**63 - 1
_WHOLE = re.compile(r"[+-]?[0-9]+")
#: Bytes of a path and of one name in it that file systems take.
_LONGEST_PATH, _LONGEST_NAME = 4095, 255
#: Of a value that is refused, this much is repeated, in characters.
_REPEATED = 60

_Parser = Callable[[Any], Any]
#: What a parameter with one value can have, as given or by default.
_ONE = (str, int, float, Path)
_Process = Callable[[Any, Any], Any]


def read_strictly(app: typer.Typer) -> None:
    """Have every option and argument of an app, of its groups too, read by this module.

    Whatever the version of the library beneath, a wrong value is an error of ours: one line that
    names the option, the value and what is wanted.
    """
    app.info.cls = _Group
    for command in app.registered_commands:
        if command.callback is not None:
            _read_strictly(command.callback)
            command.cls = _Command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            read_strictly(group.typer_instance)


def _read_strictly(callback: Callable[..., Any]) -> None:
    hints = get_type_hints(callback, include_extras=True)
    for name, hint in hints.items():
        kind, *about = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        info = next((each for each in about if isinstance(each, OptionInfo | ArgumentInfo)), None)
        make = _PARSERS.get(_element(kind))
        if info is None or make is None or info.parser is not None:
            continue
        own = copy.copy(info)
        own.parser = make(_shown(name, info), info.min, info.max)
        hints[name] = Annotated[kind, own]
    callback.__annotations__ = hints
    signature = inspect.signature(callback)
    read = [each.replace(annotation=hints[name]) for name, each in signature.parameters.items()]
    callback.__signature__ = signature.replace(parameters=read)  # type: ignore[attr-defined]


class _Reading:
    """Has the parameters of a command or group read by the parsers of this module, directly.

    Newer versions of the library import Pydantic and build a validator for each parameter, given or
    not: a fifth of the time before a run's first request.
    """

    callback: Callable[..., Any] | None

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, ``--help`` among them."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        callback = None if self.callback is None else inspect.unwrap(self.callback)
        hints = getattr(callback, "__annotations__", {})
        for each in parameters:
            if "process_value" not in vars(each):
                about = get_args(hints.get(each.name))
                parser = next(filter(None, map(_parser_of, about)), None)
                each.process_value = partial(_process_value, each, parser, each.process_value)
        return parameters


class _Command(_Reading, TyperCommand):
    """A command whose parameters are read here."""


class _Group(_Reading, TyperGroup):
    """A group whose parameters are read here."""


def _parser_of(about: object) -> _Parser | None:
    return about.parser if isinstance(about, OptionInfo | ArgumentInfo) else None


def _process_value(
    parameter: Any, parser: _Parser | None, otherwise: _Process, context: Any, value: Any
) -> Any:
    """The value that a command is called with; what is lacking or has no parser, the library reads.

    Args:
        parameter: The option or argument.
        parser: Reads one value of it.
        otherwise: The library's reading.
        context: Of the command.
        value: A text or several, as given; else the default.
    """
    several = parameter.multiple or parameter.nargs == -1
    if value is None and not parameter.required:
        read: Any = () if several else None
    elif parser is not None and several and value and isinstance(value, list | tuple):
        read = [parser(each) for each in value]
    elif parser is not None and not several and parameter.nargs == 1 and isinstance(value, _ONE):
        read = parser(value)
    else:
        return otherwise(context, value)
    return read if parameter.callback is None else parameter.callback(context, parameter, read)


def _element(kind: object) -> object:
    """The type of one value: of ``list[int] | None`` it is ``int``."""
    while get_origin(kind) in (Union, types.UnionType, list, tuple):
        kind = next(each for each in get_args(kind) if each is not type(None))
    return kind


def _shown(name: str, info: OptionInfo | ArgumentInfo) -> str:
    """What the user calls it: ``--max-tokens``, ``DATASET``."""
    if isinstance(info, ArgumentInfo):
        return info.metavar or name.upper().strip("_")
    given = [each for each in (info.default, *(info.param_decls or ())) if isinstance(each, str)]
    long = [each for each in given if each.startswith("--")]
    return long[0] if long else f"--{name.replace('_', '-').strip('-')}"


def _refused(shown: str, value: str, wanted: str) -> UsageError:
    cut = value if len(value) <= _REPEATED else value[:_REPEATED] + "..."
    return UsageError(f"{shown} {cut!r}: give {wanted}")


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    if low is not None:
        return f", {low:g} or more"
    return "" if high is None else f", {high:g} or less"


def _whole(shown: str, low: float | None, high: float | None) -> _Parser:
    wanted = f"a whole number{_range(low, high)}"

    def integer(value: Any) -> Any:
        if not isinstance(value, str):  # a default
            return value
        text = value.strip()
        if not _WHOLE.fullmatch(text) or len(text) > 20:
            raise _refused(shown, value, wanted)
        number = int(text)
        if abs(number) > _MOST:
            raise _refused(shown, value, f"{wanted}, of at most 18 digits")
        return _within(number, value, low, high, shown, wanted)

    return integer


def _number(shown: str, low: float | None, high: float | None) -> _Parser:
    wanted = f"a number{_range(low, high)}"

    def number(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            read = float(value)
        except ValueError:
            read = math.nan
        if not math.isfinite(read):
            raise _refused(shown, value, wanted)
        return _within(read, value, low, high, shown, wanted)

    return number


def _within(
    number: float, value: str, low: float | None, high: float | None, shown: str, wanted: str
) -> float:
    if (low is not None and number < low) or (high is not None and number > high):
        raise _refused(shown, value, wanted)
    return number


def _text(shown: str, _low: float | None, _high: float | None) -> _Parser:
    def text(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            # A locale of fewer characters gives its bytes undecoded.
            return os.fsencode(value).decode()
        except UnicodeError:
            raise _refused(shown, value, "a text in UTF-8") from None

    return text


def _path(shown: str, _low: float | None, _high: float | None) -> _Parser:
    def path(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not value.strip():
            raise _refused(shown, value, "a path")
        try:
            value.encode()
        except UnicodeError:  # could not be written into a record, or opened under this locale
            wanted = "a path in UTF-8, under a locale of UTF-8 (LC_ALL=C.UTF-8)"
            raise _refused(shown, value, wanted) from None
        if len(os.fsencode(value)) > _LONGEST_PATH or any(
            len(os.fsencode(name)) > _LONGEST_NAME for name in Path(value).parts
        ):
            raise _refused(shown, value, "a shorter path")
        return Path(value)

    return path


_PARSERS: dict[object, Callable[[str, float | None, float | None], _Parser]] = {
    int: _whole,
    float: _number,
    str: _text,
    Path: _path,
}
