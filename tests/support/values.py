"""Values that a test knows more of than their types say."""

from __future__ import annotations

from typing import Any, TypeVar

__all__ = ["mistyped", "nested", "present"]

T = TypeVar("T")


def mistyped(value: object) -> Any:
    """A value of another type than the parameter it is passed for, to be refused at run time."""
    return value


def present(value: T | None) -> T:
    """A value that is not missing."""
    assert value is not None
    return value


def nested(value: object) -> Any:
    """Nested mappings and lists, such as the content of ``metrics.json``, to look into."""
    return value
