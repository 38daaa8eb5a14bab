"""Samples that a shortcut tells, given up when all cells are full, so that others replace them."""

from __future__ import annotations

from vlsu.build.audits.refill import refill
from vlsu.build.folder.build import Build

__all__ = ["refilled"]


def refilled(build: Build) -> int:
    """Give up what a shortcut tells, half of a cell at most; how many samples or images."""
    with build.store() as store:
        _, _, decisions = refill(build, store)
    return len(decisions)
