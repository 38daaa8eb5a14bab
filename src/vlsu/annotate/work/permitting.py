"""What a check may show whom: the rules of parts and pairs, opt-outs, languages and stops.

Nobody sees a pair before their own parts of it, or a part after the pair, and with a disjoint plan
nobody sees both. Slots keep these rules by their seats; `may_show` keeps them for checks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, union_all

from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.states import MODALITY_NUMBERS, OPEN, State
from vlsu.annotate.store.tables import checks, exclusions, grades, items, sightings, slots
from vlsu.annotate.work.seats import KEPT_FOR_CHECK

__all__ = ["Unit", "may_show", "permitted"]

_JOINT = MODALITY_NUMBERS["joint"]
_PARTS = frozenset(MODALITY_NUMBERS.values()) - {_JOINT}


@dataclass(frozen=True, slots=True)
class Unit:
    """A sample's modality that a check could show.

    Attributes:
        item: Number of the sample.
        modality: Its number.
        hard: Whether it is hard to look at.
        cluster: Of the sample.
        grade: The person's grade that is repeated; `None` for a known item.
    """

    item: int
    modality: int
    hard: bool
    cluster: int | None
    grade: int | None = None


def may_show(
    modality: int,
    *,
    seen: Collection[int],
    own: Collection[int],
    free: Collection[int],
    disjoint: bool,
) -> bool:
    """Whether a check may show a person a modality of a sample.

    Args:
        modality: Its number.
        seen: Modalities of the sample that they have seen.
        own: Those that are left of their seat of the sample.
        free: Those that they could still take: of seats that nobody has, where they have none.
        disjoint: Whether nobody sees a pair and its parts.

    Example:
        A pair comes after all parts, so no part may be left; a part before the pair:

        >>> image, text, pair = 0, 1, 2
        >>> may_show(pair, seen={text}, own={image}, free=(), disjoint=False)
        False
        >>> may_show(text, seen={image}, own=(), free={pair}, disjoint=False)
        True
        >>> may_show(text, seen={image}, own=(), free={pair}, disjoint=True)
        False
    """
    if modality == _JOINT:
        left = _PARTS & {*own, *free}
        return not left and not (disjoint and _PARTS & set(seen))
    if _JOINT in seen or _JOINT in own:
        return False
    return not (disjoint and _JOINT in free)


def permitted(
    connection: Connection,
    plan: Plan,
    person_id: int,
    units: Sequence[Unit],
    allowed: Mapping[int, tuple[int, ...] | None],
    *,
    but: int | None = None,
) -> list[Unit]:
    """Those of some units that a check may show a person, in the same order.

    Args:
        connection: To read with.
        plan: Of the project.
        person_id: The grader.
        units: Candidates.
        allowed: Modality -> bins that they may see; `None` for all.
        but: A check of theirs that is not looked at: the one that shows the unit.
    """
    numbers = sorted({unit.item for unit in units})
    if not numbers:
        return []
    bin_of = {
        row.id: row.bin
        for row in connection.execute(
            select(items.c.id, items.c.bin).where(
                items.c.id.in_(numbers), items.c.stopped_at.is_(None)
            )
        )
    }
    kept_from = set(
        connection.scalars(
            select(exclusions.c.item_id).where(
                exclusions.c.person_id == person_id,
                exclusions.c.item_id.in_(numbers),
                exclusions.c.why != KEPT_FOR_CHECK,
            )
        )
    )
    seen: dict[int, set[int]] = {}
    own: dict[int, set[int]] = {}
    free: dict[int, set[int]] = {}
    has_seat: set[int] = set()
    of_seats = select(
        slots.c.item_id, slots.c.modality, slots.c.seat, slots.c.state, slots.c.owner_id
    ).where(slots.c.item_id.in_(numbers))
    rows = connection.execute(of_seats).all()
    own_seats = {(row.item_id, row.seat) for row in rows if row.owner_id == person_id}
    taken = {(row.item_id, row.seat) for row in rows if row.owner_id is not None}
    for row in rows:
        seat = (row.item_id, row.seat)
        if seat in own_seats:
            has_seat.add(row.item_id)
            if row.state in OPEN:
                own.setdefault(row.item_id, set()).add(row.modality)
            if row.state in (State.DONE, State.LEASED):
                seen.setdefault(row.item_id, set()).add(row.modality)
        elif row.state in OPEN and seat not in taken:
            free.setdefault(row.item_id, set()).add(row.modality)
    graded = select(grades.c.item_id, grades.c.modality).where(
        grades.c.person_id == person_id, grades.c.item_id.in_(numbers)
    )
    lost = select(sightings.c.item_id, sightings.c.modality).where(
        sightings.c.person_id == person_id, sightings.c.item_id.in_(numbers)
    )
    for item, modality in connection.execute(union_all(graded, lost)):
        seen.setdefault(item, set()).add(modality)
    shown = select(checks).where(checks.c.person_id == person_id, checks.c.item_id.in_(numbers))
    busy: set[int] = set()
    for row in connection.execute(shown):
        if row.id == but:
            continue
        if row.live and row.answered_at is None:
            busy.add(row.item_id)
        if row.leased_at is not None:
            seen.setdefault(row.item_id, set()).add(row.modality)
    found = []
    for unit in units:
        item, bins_ = unit.item, allowed.get(unit.modality, ())
        if item not in bin_of or item in kept_from or item in busy:
            continue
        if bins_ is not None and bin_of[item] not in bins_:
            continue
        if unit.grade is None and unit.modality in seen.get(item, ()):
            continue
        if may_show(
            unit.modality,
            seen=seen.get(item, set()) - {unit.modality},
            own=own.get(item, ()),
            free=() if item in has_seat else free.get(item, ()),
            disjoint=plan.disjoint,
        ):
            found.append(unit)
    return found
