"""Names of a package that are imported when they are first used.

`vlsu` itself does the same without this module: importing it imports nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from importlib import import_module

__all__ = ["lazily"]


def lazily(
    package: str, homes: Mapping[str, str], modules: Collection[str] = ()
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: Its name.
        homes: Name -> the module that it is imported from.
        modules: Modules of the package that can be used without being imported.
    """

    def get(name: str) -> object:
        if name in modules:
            return import_module(f"{package}.{name}")
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(homes[name]), name)
        setattr(sys.modules[package], name, found)  # this function is not called for it again
        return found

    def names() -> list[str]:
        return sorted([*vars(sys.modules[package]), *homes, *modules])

    return get, names
