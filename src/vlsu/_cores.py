"""How many processors there are to work on."""

from __future__ import annotations

import os

__all__ = ["cores"]


def cores() -> int:
    """Processors that this process may use: a scheduler or a container may allow it but some."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS
