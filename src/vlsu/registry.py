"""Named, open sets of plug-ins: importers, models, tasks, judges, guards.

An entry is added by decorator inside this package and by entry point outside it. Built-in entries
are listed as ``module:attribute`` strings, so that nothing is imported before it is asked for.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from vlsu.errors import UsageError, VlsuError

__all__ = ["Registry", "did_you_mean"]

T = TypeVar("T")

#: Characters of a name that are compared and shown, names compared, and names listed at most.
_LONGEST, _COMPARED, _LISTED = 80, 2_000, 40


def did_you_mean(name: str, known: list[str]) -> str:
    """The end of an error line: the nearest known names, or the known ones when none is near."""
    shown = [each[:_LONGEST] for each in known[:_COMPARED]]
    near = difflib.get_close_matches(name[:_LONGEST], shown, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(repr(n) for n in near)}?"
    more = f" and {len(known) - _LISTED:,} more" if len(known) > _LISTED else ""
    return "known: " + (", ".join(sorted(shown)[:_LISTED]) or "none") + more


class Registry(Generic[T]):
    """A mapping from names to plug-ins, filled lazily.

    Args:
        kind: What an entry is called in messages, such as ``"importer"``.
        builtin: Name -> ``"module:attribute"`` of the entries of this package.

    The entry-point group is ``vlsu.<kind>s``. An outside entry may not replace a built-in one.
    """

    def __init__(self, kind: str, builtin: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self._lazy: dict[str, str] = dict(builtin or {})
        self._builtin = frozenset(self._lazy)
        self._entries: dict[str, T] = {}
        self._outside_known = False

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
            UsageError: No such entry, and the message lists the near ones; or it comes from outside
                and cannot be loaded.
        """
        if name not in self._entries and name not in self._lazy:
            self._find_outside()
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
                why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
                raise UsageError(
                    f"{self.kind} {name!r} ({target}) cannot be loaded ({why}); repair or "
                    "uninstall the package that brings it"
                ) from error
        return self._entries[name]

    def is_builtin(self, name: str) -> bool:
        """Whether the entry is one of this package."""
        return name in self._builtin

    def names(self) -> list[str]:
        """Every known name, sorted."""
        self._find_outside()
        return sorted({*self._entries, *self._lazy})

    def _find_outside(self) -> None:
        if self._outside_known:
            return
        self._outside_known = True
        for point in entry_points(group=f"vlsu.{self.kind}s"):
            self._lazy.setdefault(point.name, f"{point.module}:{point.attr}")


def _load(target: str) -> Any:
    """What ``module:attribute`` names; the attribute may be one of an attribute."""
    module, _, attribute = target.partition(":")
    found: Any = import_module(module)
    for name in filter(None, attribute.split(".")):
        found = getattr(found, name)
    return found
