"""The kept samples of a build, those that are a minimal pair of another, and what is under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vlsu.build.folder.reading import Reader
from vlsu.build.folder.records import STAGES, Record

__all__ = ["PAIR_OF", "Samples", "read_samples"]

CONCEPTS, IMAGES, QUERIES, GRADES = STAGES
#: Entry of a query's content: the key of the query that it is a minimal pair of.
PAIR_OF = "pair_of"
#: Entry of a decision: False where a sample is kept whatever its grades.
_ON_TARGET = "on_target"


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples that are kept and are of their cell's pattern.

    Attributes:
        originals: Key -> query of a sample that is no minimal pair.
        flipped: Keys of those that have a kept minimal pair.
        under_way: Keys of those that have one without a grade.
    """

    originals: Mapping[str, Record] = field(default_factory=dict)
    flipped: frozenset[str] = frozenset()
    under_way: frozenset[str] = frozenset()


def read_samples(store: Reader) -> Samples:
    """The samples of a build."""
    decisions = store.decisions(GRADES)
    kept = {
        grade.parent
        for grade in store.states(GRADES)
        if grade.kept and decisions[grade.key].about.get(_ON_TARGET, True) is not False
    }
    graded = {each.parent for each in store.states(GRADES)}
    originals: dict[str, Record] = {}
    flipped, under_way = set(), set()
    for state in (None, True):
        for query in store.records(QUERIES, kept=state):
            of = query.content.get(PAIR_OF)
            if of is None and query.key in kept:
                originals[query.key] = query
            elif of is not None and query.key in kept:
                flipped.add(str(of))
            elif of is not None and query.key not in graded:
                under_way.add(str(of))
    return Samples(originals, frozenset(flipped), frozenset(under_way - flipped))
