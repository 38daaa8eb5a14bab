"""Both audits of what would be assembled, with the images' pixels."""

from __future__ import annotations

from collections.abc import Sequence

from vlsu.build.audits.identity import Identity, identity_audit
from vlsu.build.audits.items import Item
from vlsu.build.audits.shortcuts import Audit, shortcut_audit
from vlsu.data.images.colours import colours
from vlsu.data.images.store import ImageStore
from vlsu.errors import VlsuError

__all__ = ["audit"]


def audit(items: Sequence[Item], images: ImageStore, *, seed: int = 0) -> tuple[Audit, Identity]:
    """Look for shortcuts, and at the joint grade by group of people.

    Args:
        items: `vlsu.build.audits.items.items_of_build`, or of a dataset.
        images: Where their images are; one that cannot be read is described by nothing.
        seed: Of the division into folds.
    """

    def look(sha256: str) -> list[float] | None:
        try:
            return colours(images.read(sha256))
        except (VlsuError, MemoryError):
            return None

    return shortcut_audit(items, look=look, seed=seed), identity_audit(items)
