"""The statement that leases: it finds a slot, locks it and gives it to a grader, in one.

All orders are draws from one ring. Each slot has a random place in it (`rank`), each draw of each
grader a random point, and the grader gets the first slot at or after the point that suits them. So
every grader has an order of their own, which the seed decides, and no order is stored: a draw is a
look-up in an index of the free slots alone, however many slots and graders there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    exists,
    not_,
    or_,
    select,
    true,
    union_all,
    update,
)

from vlsu.annotate.plan.drawing import SPAN
from vlsu.annotate.store.states import State, is_state
from vlsu.annotate.store.tables import exclusions, items, slots
from vlsu.annotate.work.sightings import has_seen

__all__ = ["CANDIDATES", "Wanted", "lease"]

#: Slots looked at on each branch, as another grader may hold the lock of the first.
CANDIDATES = 16
#: Bins that are each looked up for themselves; more are filtered.
MOST_BINS = 48


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a grader may be given.

    Attributes:
        person: The grader.
        modality: Its number.
        kept: Whether of the seats that are theirs already, or of free ones.
        barring: Modalities that they may not have seen of a sample whose free seat they take.
        hard: Which hardness is possible.
        bins: Those they may see; `None` for all.
        avoid_items: Samples they have just seen.
        avoid_clusters: Clusters they have just seen one of.
        point: Of this draw, in the ring.
    """

    person: int
    modality: int
    kept: bool
    barring: Sequence[int]
    hard: tuple[bool, ...]
    bins: tuple[int, ...] | None
    avoid_items: Sequence[int]
    avoid_clusters: Sequence[int]
    point: int


def lease(
    connection: Connection, wanted: Wanted, *, token: str, now: int, until: int
) -> Row[Any] | None:
    """Lease the first slot that suits.

    Args:
        connection: In a transaction that writes.
        wanted: What suits.
        token: Of the lease.
        now: Milliseconds.
        until: When the lease ends.

    Returns:
        `id`, `item_id`, `modality` and `hard` of the slot, `sample_id` and `alias` of the sample;
        `None` where none suits.
    """
    bins = () if wanted.bins is None else wanted.bins
    each_bin = len(bins) if len(bins) <= MOST_BINS else -1
    statement = _statement(wanted.kept, wanted.hard, None if wanted.bins is None else each_bin)
    values: dict[str, object] = {
        "person": wanted.person,
        "of_modality": wanted.modality,
        "avoid_items": list(wanted.avoid_items),
        "avoid_clusters": list(wanted.avoid_clusters),
        "point": wanted.point,
        "barring": list(wanted.barring),
        "new_token": token,
        "now": now,
        "until": until,
    }
    if each_bin < 0:
        values["bins"] = list(bins)
    else:
        values |= {f"bin_{n}": bin_ for n, bin_ in enumerate(bins)}
    return connection.execute(statement, values).first()


@lru_cache(maxsize=512)
def _statement(kept: bool, hard: tuple[bool, ...], bins: int | None) -> Update:
    """The statement of one shape; its values are bound.

    Args:
        kept: As in `Wanted`.
        hard: As in `Wanted`.
        bins: How many are looked up each; -1 for a filter, `None` for all bins.
    """
    state = State.KEPT if kept else State.FREE
    found = union_all(*_branches(state, hard, bins)).subquery()
    chosen = (
        select(slots.c.id)
        .join(found, slots.c.id == found.c.id)
        .where(is_state(state))  # looked at once more when the lock is had
        .order_by(found.c.distance)
        .limit(1)
        .with_for_update(of=slots, skip_locked=True)
    )
    return (
        update(slots)
        .where(slots.c.id == chosen.scalar_subquery())
        .values(
            state=int(State.LEASED),
            owner_id=bindparam("person"),
            token=bindparam("new_token"),
            leased_at=bindparam("now"),
            lease_until=bindparam("until"),
        )
        .returning(
            slots.c.id,
            slots.c.item_id,
            slots.c.modality,
            slots.c.hard,
            *(
                select(column)
                .where(items.c.id == slots.c.item_id)
                .correlate(slots)
                .scalar_subquery()
                .label(column.name)
                for column in (items.c.sample_id, items.c.alias)
            ),
        )
    )


def _branches(
    state: State, hard: tuple[bool, ...], bins: int | None
) -> Iterator[Select[tuple[int, int]]]:
    """The first candidates of each stretch of an index, each with its distance from the point."""
    suits = [is_state(state), slots.c.modality == bindparam("of_modality"), *_suits(state)]
    if state is State.KEPT:
        suits += [slots.c.owner_id == bindparam("person"), slots.c.hard.in_(hard)]
        stretches: list[ColumnElement[bool]] = [true()]
    else:
        stretches = [
            and_(slots.c.hard == each, of_bin) for each in hard for of_bin in _of_bins(bins)
        ]
    point = bindparam("point", type_=slots.c.rank.type)
    halves = (
        (slots.c.rank >= point, slots.c.rank - point),
        (slots.c.rank < point, slots.c.rank - point + SPAN),
    )
    for stretch in stretches:
        for half, distance in halves:
            first = (
                select(slots.c.id.label("id"), distance.label("distance"))
                .where(stretch, half, *suits)
                .order_by(slots.c.rank)
                .limit(CANDIDATES)
                .subquery()
            )
            yield select(first.c.id, first.c.distance)


def _of_bins(bins: int | None) -> list[ColumnElement[bool]]:
    if bins is None:
        return [true()]
    if bins < 0:
        return [slots.c.bin.in_(bindparam("bins", expanding=True))]
    return [slots.c.bin == bindparam(f"bin_{n}") for n in range(bins)]


def _suits(state: State) -> Iterator[ColumnElement[bool]]:
    yield slots.c.item_id.not_in(bindparam("avoid_items", expanding=True))
    yield or_(
        slots.c.cluster.is_(None),
        slots.c.cluster.not_in(bindparam("avoid_clusters", expanding=True)),
    )
    if state is State.KEPT:
        return
    # One seat of a sample for a person, and none of a sample that they are kept from, or that they
    # have seen what they may not have seen of.
    own = slots.alias("own")
    person = bindparam("person", type_=slots.c.owner_id.type)
    yield not_(exists().where(own.c.item_id == slots.c.item_id, own.c.owner_id == person))
    yield not_(
        exists().where(exclusions.c.item_id == slots.c.item_id, exclusions.c.person_id == person)
    )
    yield not_(has_seen(person, slots.c.item_id, bindparam("barring", expanding=True)))
