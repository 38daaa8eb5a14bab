"""What a finished run does to a project: the order of its items, or which are graded at all.

Never a grade: no answer of a model is stored here, and none is shown.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from vlsu.annotate.store.states import OPEN, State, is_state
from vlsu.annotate.store.tables import grades, meta, slots
from vlsu.annotate.work.records import log
from vlsu.annotate.work.seats import lock_items

__all__ = ["leave_out", "mark_hard", "pregradings", "record_pregrading"]

_KEY = "pregradings"
_BATCH = 1_000


def pregradings(connection: Connection) -> list[dict[str, Any]]:
    """What was done with runs, in order: ``model``, ``task``, ``run``, ``done``, ``effect``."""
    stored = connection.scalar(select(meta.c.value).where(meta.c.key == _KEY))
    found: list[dict[str, Any]] = json.loads(stored) if stored else []
    return found


def record_pregrading(connection: Connection, now: int, about: Mapping[str, Any]) -> None:
    """Record what was done with a run.

    Args:
        connection: In a transaction that writes.
        now: Milliseconds.
        about: See `pregradings`.
    """
    so_far = [*pregradings(connection), dict(about)]
    connection.execute(delete(meta).where(meta.c.key == _KEY))
    connection.execute(insert(meta).values(key=_KEY, value=json.dumps(so_far)))
    log(connection, now, None, "pregrade", str(about.get("use", "")))


def mark_hard(connection: Connection, hard: Iterable[tuple[int, int, bool]]) -> int:
    """Say which items are hard to look at, so that lighter ones space them.

    Args:
        connection: In a transaction that writes.
        hard: Number of the sample, of the modality, whether it is hard.

    Returns:
        Slots without a grade that are hard now and were not, or the other way round.
    """
    changed = 0
    ordered = iter(sorted(hard))
    while batch := list(islice(ordered, _BATCH)):
        lock_items(connection, (item for item, _, _ in batch))
        for modality in {each[1] for each in batch}:
            for value in (False, True):
                numbers = [i for i, m, h in batch if m == modality and h == value]
                if numbers:
                    done = connection.execute(
                        update(slots)
                        .where(
                            slots.c.item_id.in_(numbers),
                            slots.c.modality == modality,
                            slots.c.hard.is_(not value),
                            is_state(State.FREE, State.KEPT, State.WAITING),
                        )
                        .values(hard=value)
                    )
                    changed += done.rowcount
    return changed


def leave_out(connection: Connection, numbers: Collection[int]) -> tuple[int, int]:
    """Close the slots of samples that nobody has begun.

    Args:
        connection: In a transaction that writes.
        numbers: Of the samples.

    Returns:
        Samples that were left out, and those of `numbers` that remain, as they are begun.
    """
    left = begun = 0
    ordered = iter(sorted(numbers))
    while batch := list(islice(ordered, _BATCH)):
        lock_items(connection, batch)
        taken = set(
            connection.scalars(
                select(slots.c.item_id)
                .where(slots.c.item_id.in_(batch), slots.c.owner_id.is_not(None))
                .distinct()
            )
        )
        taken |= set(
            connection.scalars(
                select(grades.c.item_id).where(grades.c.item_id.in_(batch)).distinct()
            )
        )
        untouched = [number for number in batch if number not in taken]
        connection.execute(
            update(slots)
            .where(slots.c.item_id.in_(untouched), is_state(*OPEN))
            .values(state=int(State.CLOSED), token=None, lease_until=None)
        )
        left += len(untouched)
        begun += len(batch) - len(untouched)
    return left, begun
