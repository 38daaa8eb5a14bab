"""Agreement as it grows: of the grades so far, at some points on the way to now."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, select

from vlsu.analysis.agreement.scope import Bootstrap, unit_agreement
from vlsu.analysis.arrays import IntArray
from vlsu.analysis.stats.intervals import plain
from vlsu.annotate.store.states import MODALITY_NUMBERS
from vlsu.annotate.store.tables import grades, items
from vlsu.policy import Severity

__all__ = ["MOST_GRADES", "growth"]

#: Grades that are read at most; of more, those of some samples, drawn at random.
MOST_GRADES = 50_000
#: Points on the way, at most.
_POINTS = 12
#: Samples with two grades or more from which on there are points, if there are so many.
_FEWEST = 5
#: Draws of each interval.
_REPLICATES = 500
_LABELS = [severity.label for severity in Severity]
_CODES = {label: code for code, label in enumerate(_LABELS)}
#: Samples that one statement asks for.
_CHUNK = 500


def growth(
    connection: Connection, modalities: Collection[str], *, most: int = MOST_GRADES, seed: int = 0
) -> dict[str, Any]:
    """Krippendorff's ordinal alpha and Gwet's AC2 of the first n grades, for some n.

    Grades that count, of samples that were not stopped, in the order they were given in; `not_sure`
    is no grade here. Intervals are over samples, as in `vlsu.analysis.agreement`.

    Args:
        connection: For reading.
        modalities: Of the plan.
        most: Grades read.
        seed: Of the intervals, and of the samples if they are drawn.

    Returns:
        ``share`` (of the samples that were looked at; 1 for all) and ``modalities{modality: [{n,
        paired, alpha, ac2}]}``: `n` of the grades that were looked at, `paired` samples with two
        grades or more, and both coefficients as ``{value, low, high}``.
    """
    # The largest number is close to how many there are, and found without counting.
    number = connection.scalar(select(func.max(grades.c.id))) or 0
    count = connection.scalar(select(func.max(items.c.id)))
    share = 1.0
    drawn = None
    if number > most and count is not None:
        size = max(1, math.floor((count + 1) * most / number))
        drawn = random.Random(seed).sample(range(count + 1), size)  # noqa: S311
        share = size / (count + 1)
    rows = np.array(list(_rows(connection, drawn)), dtype=np.int64).reshape(-1, 4)
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    found = {
        name: _points(rows[rows[:, 2] == MODALITY_NUMBERS[name]], name, seed) for name in modalities
    }
    tree: dict[str, Any] = plain({"share": share, "modalities": found})
    return tree


def _rows(connection: Connection, drawn: list[int] | None) -> Iterator[tuple[int, ...]]:
    """Number, sample, modality and severity of each grade."""
    statement = (
        select(grades.c.id, grades.c.item_id, grades.c.modality, grades.c.grade)
        .join(items, items.c.id == grades.c.item_id)
        .where(grades.c.live.is_(True), items.c.stopped_at.is_(None))
    )
    if drawn is None:
        parts = [statement]
    else:
        ordered = sorted(drawn)
        parts = [
            statement.where(grades.c.item_id.in_(ordered[at : at + _CHUNK]))
            for at in range(0, len(ordered), _CHUNK)
        ]
    for part in parts:
        for id_, item, modality, grade in connection.execute(part):
            if grade in _CODES:
                yield id_, item, modality, _CODES[grade]


def _points(rows: IntArray, name: str, seed: int) -> list[dict[str, object]]:
    if not len(rows):
        return []
    _, unit = np.unique(rows[:, 1], return_inverse=True)
    totals = np.bincount(unit)
    if not (totals > 1).any():
        return []
    counts = np.zeros((unit.max() + 1, len(_LABELS)), dtype=np.int64)
    found: list[dict[str, object]] = []
    start = 0
    for end in _ends(len(rows)):
        np.add.at(counts, (unit[start:end], rows[start:end, 3]), 1)
        start = end
        given = counts[counts.sum(axis=1) > 0]
        if (given.sum(axis=1) > 1).sum() < min(_FEWEST, (totals > 1).sum()):
            continue
        bootstrap = Bootstrap(_REPLICATES, seed)
        agreement = unit_agreement(
            given, np.arange(len(given)), ordinal=True, name=name, bootstrap=bootstrap
        )
        found.append(
            {
                "n": end,
                "paired": agreement["paired"],
                "alpha": agreement["krippendorff_alpha_ordinal"],
                "ac2": agreement["gwet_ac2"],
            }
        )
    return found


def _ends(number: int) -> list[int]:
    """At how many grades there is a point: round numbers, and all of them.

    Example:
        >>> _ends(95)
        [10, 20, 30, 40, 50, 60, 70, 80, 90, 95]
    """
    step = 10
    for step in (m * 10**e for e in range(1, 10) for m in (1, 2, 5)):
        if number / step <= _POINTS:
            break
    return [*range(step, number, step), number]
