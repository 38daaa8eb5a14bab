"""How long operations over a dataset report their progress."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress"]

#: Called with the number of items done and with the total, `None` where the total is not known.
Progress = Callable[[int, int | None], None]
