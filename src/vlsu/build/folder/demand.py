"""What is still to be made, from the records alone: the same after a kill as without one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from vlsu.build.folder.build import Build
from vlsu.build.folder.reading import Reader
from vlsu.build.folder.records import STAGES, Record, Try
from vlsu.build.plan.cells import Cell, Place

__all__ = ["MOST_IMAGES", "MOST_TRIES", "Demand", "demand"]

#: How often queries are asked for one image that none of them came to be a sample of.
MOST_TRIES = 3
#: Images that are taken for one concept.
MOST_IMAGES = 3
#: Entry of the outcome of an image's try: nothing more is to be found for its concept.
EXHAUSTED = "exhausted"

CONCEPTS, IMAGES, QUERIES, GRADES = STAGES


@dataclass(frozen=True, slots=True)
class Demand:
    """What each stage has to do next.

    Attributes:
        cells: Cell -> samples that are missing and that nothing under way may become.
        images: Kept images that nothing is under way for, by place: these can be asked queries for.
        concepts: Kept concepts that may still yield an image, by place.
        images_wanted: Images to be found, by place: what `cells` need beyond `images`.
        concepts_wanted: Concepts to be written, by place: what `images_wanted` need beyond
            `concepts`.
    """

    cells: Mapping[Cell, int]
    images: Mapping[Place, Sequence[Record]]
    concepts: Mapping[Place, Sequence[Record]]
    images_wanted: Mapping[Place, int]
    concepts_wanted: Mapping[Place, int]


def demand(build: Build, store: Reader, *, reuse: int = 1) -> Demand:
    """What each stage has to do next.

    A sample is under way while a query of it is neither graded nor given up, or its try is open;
    several queries of one image for one cell are one try, and become one sample at most.

    Args:
        build: What is wanted.
        store: What there is.
        reuse: Samples that one image may be part of.
    """
    counts = store.counts()
    images = [image for image in store.states(IMAGES) if image.kept]
    samples, under_way = _uses_of_images(store, {image.key for image in images})
    open_images = store.tries(IMAGES, open_only=True)
    open_concepts = store.tries(CONCEPTS, open_only=True)
    busy_images = Counter(image for image, _ in under_way)
    busy_cells = Counter(cell for _, cell in under_way)
    cells = {}
    for cell, wanted in build.wanted.items():
        have = counts[cell].have if cell in counts else 0
        if (left := wanted - have - busy_cells[cell]) > 0:
            cells[cell] = left
    tried = Counter(each.subject for each in store.tries(QUERIES))
    free: dict[Place, list[Record]] = {}
    for image in images:
        used = samples.get(image.key, 0) + busy_images[image.key]
        if used < reuse and tried[image.key] - used < MOST_TRIES:
            free.setdefault(Place.of(image.cell), []).append(store.record(image.key))
    images_wanted = _beyond(
        _by_place(cells), {place: len(found) for place, found in free.items()}, open_images
    )
    concepts = _searchable(store)
    concepts_wanted = _beyond(
        images_wanted, {place: len(found) for place, found in concepts.items()}, open_concepts
    )
    return Demand(cells, free, concepts, images_wanted, concepts_wanted)


def _uses_of_images(
    store: Reader, images: Collection[str]
) -> tuple[dict[str, int], set[tuple[str, Cell]]]:
    """Image -> samples of it; and the images and cells for which a sample is under way.

    Tries on anything but an image are those of minimal pairs, which nobody may go on with.
    """
    graded: dict[str, set[bool | None]] = {}
    for grade in store.states(GRADES):
        graded.setdefault(str(grade.parent), set()).add(grade.kept)
    samples: dict[str, int] = {}
    under_way = {
        (each.subject, each.cell)
        for each in store.tries(QUERIES, open_only=True)
        if each.subject is not None and each.subject in images
    }
    for query in store.states(QUERIES):
        if query.kept is False or query.parent is None:
            continue
        fates = graded.get(query.key, {None})  # of several graders' records the best counts
        if True in fates:
            samples[query.parent] = samples.get(query.parent, 0) + 1
        elif None in fates:
            under_way.add((query.parent, query.cell))
    return samples, under_way


def _searchable(store: Reader) -> dict[Place, list[Record]]:
    """Kept concepts that may still yield an image."""
    outcomes = store.outcomes(IMAGES)
    busy: set[str] = set()
    for each in store.tries(IMAGES):
        about = outcomes.get(each.key)
        if each.subject is not None and (about is None or about.get(EXHAUSTED)):
            busy.add(each.subject)
    taken = Counter(image.parent for image in store.states(IMAGES) if image.kept)
    found: dict[Place, list[Record]] = {}
    for concept in store.states(CONCEPTS):
        if concept.kept and concept.key not in busy and taken[concept.key] < MOST_IMAGES:
            found.setdefault(Place.of(concept.cell), []).append(store.record(concept.key))
    return found


def _by_place(cells: Mapping[Cell, int]) -> dict[Place, int]:
    found: dict[Place, int] = {}
    for cell, number in cells.items():
        place = Place.of(cell)
        found[place] = found.get(place, 0) + number
    return found


def _beyond(
    wanted: Mapping[Place, int], have: Mapping[Place, int], under_way: Sequence[Try]
) -> dict[Place, int]:
    found = {}
    busy = Counter(Place.of(each.cell) for each in under_way)
    for place, number in wanted.items():
        if (left := number - have.get(place, 0) - busy[place]) > 0:
            found[place] = left
    return found
