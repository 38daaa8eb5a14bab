"""Giving up what a shortcut tells, so that the next round fills its cells with other samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.build.audits.audit import audit
from vlsu.build.audits.identity import Identity
from vlsu.build.audits.items import Item, items_of_build
from vlsu.build.audits.shortcuts import MOST_REFILLED, Audit, Solved, to_refill
from vlsu.build.folder.build import Build
from vlsu.build.folder.records import Decision
from vlsu.build.folder.store import Store

__all__ = ["refill", "refill_decisions"]


def refill(
    build: Build, store: Store, *, about: Mapping[str, Any] | None = None
) -> tuple[Audit, Identity, list[Decision]]:
    """Audit a build's samples so far, and give up what a shortcut tells.

    What is given up is missing again, and the next round fills it.

    Args:
        build: Whose folder is locked by the caller.
        store: Its records.
        about: Of each decision.

    Returns:
        What was found, over the samples as they were, and the decisions that were added.
    """
    items = items_of_build(store)
    shortcuts, identity = audit(items, build.images, seed=build.settings.seed)
    decisions = refill_decisions(items, shortcuts.solved, seed=build.settings.seed, about=about)
    store.decide(decisions)
    return shortcuts, identity, decisions


def refill_decisions(
    items: Sequence[Item],
    solved: Sequence[Solved],
    *,
    most: float = MOST_REFILLED,
    seed: int = 0,
    about: Mapping[str, Any] | None = None,
) -> list[Decision]:
    """Decisions that give up samples of solved cells, for `vlsu.build.folder.store.Store.decide`.

    What the text or the making gives away loses its pre-grade, and its image may become another
    sample; what the image gives away loses the image.

    Args:
        items: Of `vlsu.build.audits.items.items_of_build`.
        solved: What `vlsu.build.audits.shortcuts.shortcut_audit` found over them.
        most: Share of a cell's samples that go at most.
        seed: Decides among samples that are told alike.
        about: Of each decision.
    """
    cells = Counter(item.cell for item in items)
    gone = to_refill(solved, cells, most=most, seed=seed)
    by_key = {item.key: item for item in items}
    decisions = {}
    for key, why in gone.items():
        image = by_key[key].image_key
        named = image if why.part == "image" and image is not None else key
        decisions[named] = Decision(
            named, False, f"told by {why.part} alone ({why.probe})", about or {}
        )
    return list(decisions.values())
