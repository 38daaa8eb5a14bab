"""Whether typed views of a result declare all that a real one holds."""

from __future__ import annotations

from collections.abc import Iterator

from vlsu._views import View

__all__ = ["undeclared"]


def undeclared(value: object, path: str) -> Iterator[str]:
    """Paths of the members of a view, and of those in it, that no type is declared for."""
    if isinstance(value, View):
        declared = {
            name for base in type(value).__mro__ for name in getattr(base, "__annotations__", {})
        }
        for key in value:
            name = f"{key}_" if hasattr(dict, key) else key.replace("-", "_")
            if name in declared:
                yield from undeclared(getattr(value, name), f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from undeclared(part, f"{path}.{key}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from undeclared(part, f"{path}[{number}]")
