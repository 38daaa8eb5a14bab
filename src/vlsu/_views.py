"""JSON objects whose members are also attributes, with the types that a class declares."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

__all__ = ["View"]


class View(dict[str, Any]):
    """A JSON object, still a mapping: ``view["joint"]["n"]`` and ``view.joint.n`` are the same.

    A subclass declares its members as annotations: a JSON value as ``int``, ``str`` and so on, an
    object as another `View` or as a class that has ``from_json``, an object with keys of the data
    as ``dict[str, View]``. Members that are not there raise `AttributeError`; those declared as
    ``X | None`` may also be null. A hyphen in a key is an underscore in the attribute, and a key
    that is also a method of mappings, such as ``items``, is the attribute ``items_``.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copying and pickling look for methods of their own
            raise AttributeError(name)
        near = (name, name.replace("_", "-"), name.removesuffix("_"))
        key = next((each for each in near if each in self), None)
        if key is None:
            there = ", ".join(map(_attribute, self)) or "nothing"
            raise AttributeError(f"no {name!r} here; there is {there}")
        read = _readers(type(self)).get(name)
        return self[key] if read is None else read(self[key])

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *map(_attribute, self)})


def _attribute(key: str) -> str:
    """What a key is called as an attribute."""
    return f"{key}_" if hasattr(dict, key) else key.replace("-", "_")


@cache
def _readers(kind: type[View]) -> dict[str, Callable[[Any], Any]]:
    """For each declared member that is more than a JSON value, the function that converts it."""
    found = {name: _reader(hint) for name, hint in get_type_hints(kind).items()}
    return {name: read for name, read in found.items() if read is not None}


def _reader(hint: Any) -> Callable[[Any], Any] | None:
    """Converts a JSON value to this type; `None` if no conversion is needed."""
    if isinstance(hint, type) and issubclass(hint, View):
        return _if_kind(dict, hint)
    if callable(from_json := getattr(hint, "from_json", None)):
        return _if_kind(dict, from_json)
    readers = [read for read in map(_reader, get_args(hint)) if read is not None]
    if not readers:
        return None
    inner = readers[0]
    if get_origin(hint) is dict:
        return _if_kind(dict, lambda tree: {key: inner(value) for key, value in tree.items()})
    if get_origin(hint) is list:
        return _if_kind(list, lambda items: [inner(value) for value in items])
    return lambda value: _first_that_reads(readers, value)  # one of several, such as null


def _first_that_reads(readers: list[Callable[[Any], Any]], value: Any) -> Any:
    """The value as the first of these that is for its kind converts it."""
    converted = (read(value) for read in readers)
    return next((each for each in converted if each is not value), value)


def _if_kind(kind: type, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Applies `read` to values of a kind; others, such as null, are returned unchanged."""
    return lambda value: read(value) if isinstance(value, kind) else value
