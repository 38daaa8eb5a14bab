"""The audits of what was assembled: their findings in sentences, without a sample's text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from vlsu.build.audits.audit import audit
from vlsu.build.audits.identity import Identity
from vlsu.build.audits.items import items_of_samples
from vlsu.build.audits.shortcuts import Audit
from vlsu.data.datasets.dataset import Dataset

__all__ = ["Audited", "audited"]

#: Cells and samples that are named in a sentence; --json has them all.
_NAMED = 5


class Audited(NamedTuple):
    """What the audits found in a dataset."""

    shortcuts: Audit
    identity: Identity

    def as_dict(self) -> dict[str, object]:
        """For ``--json``: ``{"shortcuts", "identity"}``."""
        return {"shortcuts": self.shortcuts.as_dict(), "identity": self.identity.as_dict()}

    def findings(self) -> list[str]:
        """A sentence for each kind of finding."""
        found = []
        if solved := self.shortcuts.solved:
            cells: dict[str, str] = {}
            for each in solved:
                cell = f"{each.cell.pattern} {each.cell.category_name} {each.cell.language}"
                cells.setdefault(cell, f"{cell} by {each.probe}, {each.balanced_accuracy}")
            found.append(
                f"shortcut audit: {len(cells)} cells are told without looking at both parts "
                f"(balanced accuracy): {_first([*cells.values()], '; ')}"
            )
        if groups := _told(self.identity):
            found.append(
                "identity audit: pairs are unsafe more or less often than others where they are on "
                f"{_first(groups, ', ')}"
            )
        if twinless := self.identity.without_twin:
            ids = [each.item.key for each in twinless]
            found.append(
                f"identity audit: {len(ids)} harmful pairs on a group of people have no benign "
                f"pair with the same image: {_first(ids, ', ')}"
            )
        return found


def audited(dataset: Dataset, seed: int) -> Audited:
    """Audit a dataset by its grades, or before people have graded by its pre-grades.

    Args:
        dataset: Just written.
        seed: Of the division into folds.

    Raises:
        DataError: A file of samples is damaged.
    """
    return Audited(*audit(items_of_samples(dataset), dataset.images, seed=seed))


def _told(identity: Identity) -> list[str]:
    found = identity.as_dict()["found"]
    return [str(each) for each in found] if isinstance(found, list) else []


def _first(names: Sequence[str], between: str) -> str:
    more = f"{between}and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return between.join(names[:_NAMED]) + more
