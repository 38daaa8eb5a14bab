"""Samples that a shortcut tells, given up when all cells are full, so that others replace them."""

from __future__ import annotations

from vlsu.build.audits.refill import refill
from vlsu.build.folder.build import Build
from vlsu.build.folder.records import REFILL

__all__ = ["refilled"]


def refilled(build: Build) -> int:
    """Give up what a shortcut tells, half of a cell at most; how many samples or images.

    The decisions say which time of the build it is, so that a loop that is killed knows.
    """
    with build.store() as store:
        _, _, decisions = refill(build, store, about={REFILL: store.refills() + 1})
    return len(decisions)
