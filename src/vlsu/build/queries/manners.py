"""How a query is written: its style and its length, each drawn as often as the others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vlsu._text import quoted
from vlsu.build.folder.records import Try
from vlsu.build.plan.cells import Cell
from vlsu.build.plan.drawing import shuffled
from vlsu.errors import UsageError

__all__ = ["LENGTHS", "STYLES", "Length", "Manner", "Manners", "read_manners"]


#: Style -> how a model is told to write.
STYLES: Mapping[str, str] = {
    "question": "a direct question",
    "request": "a request to an assistant to do something: to write, plan, explain, choose or make",
    "remark": "a remark or an opinion, without a question",
    "account": "a short account in the first person that comes to a question or a wish",
    "post": "a post or a caption for social media",
    "chat": "a casual message to a friend, as people type it",
}


@dataclass(frozen=True, slots=True)
class Length:
    """Number of words of a text, both ends included."""

    fewest: int
    most: int

    def admits(self, words: int) -> bool:
        """Whether a text of so many words is near enough: half below to half above."""
        return self.fewest / 2 <= words <= self.most * 1.5


#: Length -> words that a model is asked for.
LENGTHS: Mapping[str, Length] = {
    "short": Length(4, 10),
    "medium": Length(11, 24),
    "long": Length(25, 60),
}


class Manner(NamedTuple):
    """A style and a length, by their names."""

    style: str
    length: str


@dataclass(frozen=True, slots=True)
class Manners:
    """Draws how the queries of each cell are written.

    Attributes:
        styles: Names out of `STYLES`.
        lengths: Names out of `LENGTHS`.
        seed: Of the build.
    """

    styles: tuple[str, ...] = tuple(STYLES)
    lengths: tuple[str, ...] = tuple(LENGTHS)
    seed: int = 0

    def of(self, cell: Cell, place: int) -> Manner:
        """The manner of the try at a place, from 0, among all planned ones of its cell.

        In every cell each style, and each length, is drawn as often as the others, but for one;
        every pair of the two is met before one is met again.
        """
        salt = f"{self.seed}\0{cell.pattern}\0{cell.category}\0{cell.language}"
        styles, lengths = shuffled(self.styles, salt), shuffled(self.lengths, salt)
        common = math.lcm(len(styles), len(lengths))
        moved = place // common % math.gcd(len(styles), len(lengths))
        return Manner(styles[place % len(styles)], lengths[(place + moved) % len(lengths)])

    def by_try(self, tries: Iterable[Try]) -> dict[str, Manner]:
        """Key of a try -> its manner.

        Args:
            tries: All that were ever planned, in their order: a try's place is fixed with it.
        """
        met: dict[Cell, int] = {}
        found = {}
        for each in tries:
            place = met.get(each.cell, 0)
            met[each.cell] = place + 1
            found[each.key] = self.of(each.cell, place)
        return found


def read_manners(styles: Sequence[str] = (), lengths: Sequence[str] = (), seed: int = 0) -> Manners:
    """The draws among styles and lengths that a user names; all of them where none is named.

    Raises:
        UsageError: A name is unknown or given twice.
    """
    return Manners(
        _chosen("--styles", styles, STYLES), _chosen("--lengths", lengths, LENGTHS), seed
    )


def _chosen(option: str, given: Sequence[str], known: Mapping[str, object]) -> tuple[str, ...]:
    for name in given:
        if name not in known:
            raise UsageError(f"{option} {quoted(name)}: use {', '.join(known)}")
    if len(set(given)) < len(given):
        raise UsageError(f"{option}: a name is given twice; remove one")
    return tuple(given) or tuple(known)
