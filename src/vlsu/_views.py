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
    ``X | None`` may also be null. A hyphen in a key is an underscore in the attribute.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copying and pickling look for methods of their own
            raise AttributeError(name)
        key = name if name in self else name.replace("_", "-")
        if key not in self:
            there = ", ".join(each.replace("-", "_") for each in self) or "nothing"
            raise AttributeError(f"no {name!r} here; there is {there}")
        read = _readers(type(self)).get(name)
        return self[key] if read is None else read(self[key])

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(key.replace("-", "_") for key in self)})


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
    inner = next(filter(None, map(_reader, get_args(hint))), None)
    if inner is None:
        return None
    if get_origin(hint) is dict:
        return _if_kind(dict, lambda tree: {key: inner(value) for key, value in tree.items()})
    if get_origin(hint) is list:
        return _if_kind(list, lambda items: [inner(value) for value in items])
    return inner  # one of several, such as a view or null


def _if_kind(kind: type, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Applies `read` to values of a kind; others, such as null, are returned unchanged."""
    return lambda value: read(value) if isinstance(value, kind) else value
