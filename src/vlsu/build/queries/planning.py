"""Which image is asked queries for, and for which cell."""

from __future__ import annotations

from collections.abc import Mapping

from vlsu.build.folder.build import Build
from vlsu.build.folder.demand import demand
from vlsu.build.folder.reading import Reader
from vlsu.build.folder.records import STAGES, Record, Try
from vlsu.build.plan.cells import Cell, Place
from vlsu.policy import Severity

__all__ = ["new_tries", "tries_on_images"]

_, IMAGES, QUERIES, _ = STAGES


def tries_on_images(
    store: Reader, images: Mapping[str, Record], *, open_only: bool = False
) -> list[Try]:
    """The tries of queries whose subject is an image; those of minimal pairs have other ones."""
    return [each for each in store.tries(QUERIES, open_only=open_only) if each.subject in images]


def new_tries(build: Build, store: Reader, *, reuse: int = 1) -> tuple[list[Try], list[str]]:
    """Tries for what is missing, and what lacks an image, in one line each.

    The free images of a place are shared among its cells in turn; an image goes rather to a cell
    that it was not tried for yet.
    """
    found = demand(build, store, reuse=reuse)
    numbers: dict[str, int] = {}
    tried: dict[tuple[str, Cell], int] = {}
    for each in store.tries(QUERIES):
        if each.subject is not None:
            numbers[each.subject] = max(numbers.get(each.subject, 0), each.number + 1)
            tried[each.subject, each.cell] = tried.get((each.subject, each.cell), 0) + 1
    cells: dict[Place, list[Cell]] = {}
    for cell in found.cells:
        cells.setdefault(Place.of(cell), []).append(cell)
    planned, lacking = [], []
    for place, wanting in cells.items():
        given = dict.fromkeys(wanting, 0)
        for image in found.images.get(place, ()):
            key = image.key
            short = [cell for cell in wanting if given[cell] < found.cells[cell]]
            if not short:
                break
            cell = min(short, key=lambda each: (tried.get((key, each), 0), given[each]))
            given[cell] += 1
            planned.append(Try(QUERIES, cell, key, numbers.get(key, 0)))
        waiting = sum(found.cells[cell] - given[cell] for cell in wanting)
        if waiting:
            category = wanting[0].category_name
            samples = "sample waits" if waiting == 1 else "samples wait"
            article = "an" if place.severity is Severity.UNSAFE else "a"
            lacking.append(f"{category}: {waiting} {samples} for {article} {place.severity} image")
    return planned, lacking
