"""Registries of plug-ins by name: importers and models.

Other packages add entries by an entry point or with the decorator `Registry.register`. Built-in
entries are ``module:attribute`` strings, so that nothing is imported before it is needed.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar

from vlsu._text import collapsed_line
from vlsu.errors import UsageError, VlsuError

__all__ = ["Registry", "did_you_mean"]

T = TypeVar("T")

#: Maximum characters of a name, names compared, and names listed in a message.
_MAX_LENGTH, _MAX_COMPARED, _MAX_LISTED = 80, 2_000, 40


def did_you_mean(name: str, known: list[str], otherwise: str | None = None) -> str:
    """The end of an error message: the closest known names, or a list of the known ones.

    Args:
        name: What was given.
        known: All names.
        otherwise: What is said in place of the list.
    """
    shown = [each[:_MAX_LENGTH] for each in known[:_MAX_COMPARED]]
    near = difflib.get_close_matches(name[:_MAX_LENGTH], shown, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(repr(n) for n in near)}?"
    if otherwise is not None:
        return otherwise
    more = f" and {len(known) - _MAX_LISTED:,} more" if len(known) > _MAX_LISTED else ""
    return "known: " + (", ".join(sorted(shown)[:_MAX_LISTED]) or "none") + more


class Registry(Generic[T]):
    """A mapping from names to plug-ins, filled lazily.

    Args:
        kind: What an entry is called in messages, such as ``"importer"``.
        builtin: Name -> ``"module:attribute"`` of the entries of this package.

    The entry-point group is ``vlsu.<kind>s``. An external entry cannot replace a built-in one.
    """

    def __init__(self, kind: str, builtin: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self._lazy: dict[str, str] = dict(builtin or {})
        self._builtin = frozenset(self._lazy)
        self._entries: dict[str, T] = {}
        self._discovered = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that adds an entry under `name`.

        Raises:
            UsageError: The name is taken by another entry.
        """

        def add(entry: T) -> T:
            if self._entries.get(name, entry) is not entry or name in self._lazy:
                raise UsageError(f"{self.kind} {name!r} is registered already; choose another name")
            self._entries[name] = entry
            return entry

        return add

    def get(self, name: str) -> T:
        """The entry of that name.

        Raises:
            UsageError: No such entry (the message suggests close names), or an external entry that
                cannot be loaded.
        """
        if name not in self._entries and name not in self._lazy:
            self._discover()
        if name not in self._entries:
            target = self._lazy.get(name)
            if target is None:
                raise UsageError(
                    f"unknown {self.kind} {name!r}; {did_you_mean(name, self.names())}"
                )
            try:
                self._entries[name] = _load(target)
            except Exception as error:
                if self.is_builtin(name) or isinstance(error, VlsuError):
                    raise
                why = collapsed_line(f"{type(error).__name__}: {error}", 300)
                raise UsageError(
                    f"{self.kind} {name!r} ({target}) cannot be loaded ({why}); repair or "
                    "uninstall the package that brings it"
                ) from error
        return self._entries[name]

    def is_builtin(self, name: str) -> bool:
        """Whether the entry comes with this package."""
        return name in self._builtin

    def names(self) -> list[str]:
        """Every known name, sorted."""
        self._discover()
        return sorted({*self._entries, *self._lazy})

    def _discover(self) -> None:
        if self._discovered:
            return
        from importlib.metadata import entry_points  # imports much, for the names of other packages

        self._discovered = True
        for point in entry_points(group=f"vlsu.{self.kind}s"):
            self._lazy.setdefault(point.name, f"{point.module}:{point.attr}")


def _load(target: str) -> Any:
    """The object that ``module:attribute`` names; the attribute may be dotted."""
    module, _, attribute = target.partition(":")
    found: Any = import_module(module)
    for name in filter(None, attribute.split(".")):
        found = getattr(found, name)
    return found
