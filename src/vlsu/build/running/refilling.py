"""Samples that a shortcut tells, given up when all cells are full, so that others replace them."""

from __future__ import annotations

from vlsu.build.audits.audit import audit
from vlsu.build.audits.items import items_of_build
from vlsu.build.audits.refill import refill_decisions
from vlsu.build.folder.build import Build
from vlsu.build.folder.records import REFILL

__all__ = ["refilled"]


def refilled(build: Build) -> int:
    """Give up what a shortcut tells, half of a cell at most; how many samples.

    The decisions say which time of the build it is, so that a loop that is killed knows.
    """
    with build.store() as store:
        items = items_of_build(store)
        shortcuts, _ = audit(items, build.images, seed=build.settings.seed)
        decisions = refill_decisions(
            items,
            shortcuts.solved,
            seed=build.settings.seed,
            about={REFILL: store.refills() + 1},
        )
        store.decide(decisions)
    return len(decisions)
