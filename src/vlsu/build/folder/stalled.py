"""Cells that are not worth more tries: nearly everything that was tried for them was lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from vlsu.build.folder.reading import Reader
from vlsu.build.folder.records import STAGES
from vlsu.build.plan.cells import Cell, Place

__all__ = ["PATIENCE", "stalled"]

#: Tries that one concept, image or sample may take, unless the user says otherwise.
PATIENCE = 20

CONCEPTS, IMAGES, QUERIES, GRADES = STAGES


def stalled(wanted: Mapping[Cell, int], store: Reader, patience: int) -> dict[Cell, str]:
    """The cells that have less than is wanted and are not worth more tries, and why.

    A stage gets nowhere where it took `patience` tries without a result, or that many more for each
    result but the first. Concepts and images are counted by category and severity of the image,
    samples by cell. It depends on the records alone, in whichever order they came.

    Args:
        wanted: Samples of each cell.
        store: What there is.
        patience: Tries, at least 1.
    """
    counts = store.counts()
    places = _places(store, patience)
    images = {image.key for image in store.states(IMAGES)}  # tries on others are minimal pairs
    tried = Counter(each.cell for each in store.tries(QUERIES) if each.subject in images)
    tried -= Counter(each.cell for each in store.tries(QUERIES, open_only=True))
    graded = {each.parent for each in store.states(GRADES)}
    waiting = Counter(
        each.cell for each in store.states(QUERIES) if each.kept and each.key not in graded
    )
    found = {}
    for cell, number in wanted.items():
        have = counts[cell].have if cell in counts else 0
        if have >= number:
            continue
        if (reason := places.get(Place.of(cell))) is not None:
            found[cell] = reason
        elif not waiting[cell] and tried[cell] >= patience * (have + 1):
            found[cell] = f"{tried[cell]} tries at queries gave {_number(have, 'sample')}"
    return found


def _places(store: Reader, patience: int) -> dict[Place, str]:
    found = {}
    for stage, what in ((CONCEPTS, "concept"), (IMAGES, "image")):
        tries = Counter(Place.of(each.cell) for each in store.tries(stage))
        tries -= Counter(Place.of(each.cell) for each in store.tries(stage, open_only=True))
        kept = Counter(Place.of(each.cell) for each in store.states(stage) if each.kept)
        for place, number in tries.items():
            if number >= patience * (kept[place] + 1):
                found[place] = f"{number} tries at {stage} gave {_number(kept[place], what)}"
    return found


def _number(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
