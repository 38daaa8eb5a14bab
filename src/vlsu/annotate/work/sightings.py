"""What people were shown of samples whose seat they have lost.

A seat keeps a person from the rest of its sample. Who loses one by being away too long, by leaving
it or by a stop has seen what they were shown all the same: whoever has seen a pair is asked for no
part of it, and where the plan is disjoint nobody is asked for a pair after a part.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, exists, or_

from vlsu.annotate.store.states import MODALITY_NUMBERS, State
from vlsu.annotate.store.tables import grades, sightings, slots
from vlsu.annotate.work.records import insert_into

__all__ = ["barring", "has_seen", "has_seen_pair", "record_seat", "record_sightings"]

_JOINT = MODALITY_NUMBERS["joint"]
_PARTS = tuple(number for number in MODALITY_NUMBERS.values() if number != _JOINT)


def barring(modality: int, *, disjoint: bool) -> tuple[int, ...]:
    """The modalities of a sample that nobody may have seen who is asked for another of them.

    Args:
        modality: The number of what they are asked for.
        disjoint: Whether nobody sees a pair and its parts.
    """
    if modality != _JOINT:
        return (_JOINT,)
    return _PARTS if disjoint else ()


def has_seen(person: Any, item: Any, modalities: Any) -> Any:
    """The condition that a person lost a sample after they saw one of some modalities of it.

    Args:
        person: A column or value: the person's number.
        item: The sample's.
        modalities: The modalities' numbers.
    """
    return exists().where(
        sightings.c.person_id == person,
        sightings.c.item_id == item,
        sightings.c.modality.in_(modalities),
    )


def has_seen_pair(person: Any, item: Any) -> Any:
    """The condition that a person was shown the pair of a sample, whose seat they have or had.

    Args:
        person: A column or value: the person's number.
        item: The sample's.
    """
    pair, own, given = slots.alias("pair"), slots.alias("of_owner"), grades.alias("of_pair")
    in_seat = exists().where(
        own.c.item_id == item,
        own.c.owner_id == person,
        pair.c.item_id == own.c.item_id,
        pair.c.seat == own.c.seat,
        pair.c.modality == _JOINT,
        pair.c.leased_at.is_not(None),
    )
    graded = exists().where(
        given.c.item_id == item, given.c.person_id == person, given.c.modality == _JOINT
    )
    return or_(graded, in_seat, has_seen(person, item, [_JOINT]))


def record_seat(connection: Connection, item_id: int, seat: Iterable[Any]) -> None:
    """Keep in mind what the owner of a seat was shown, before they lose what is left of it.

    Args:
        connection: In a transaction that writes.
        item_id: The sample.
        seat: All slots of the seat, with `owner_id`, `modality`, `state` and `leased_at`.
    """
    rows = list(seat)
    owners = {row.owner_id for row in rows} - {None}  # one, or none
    shown = [row.modality for row in rows if row.leased_at is not None or row.state == State.DONE]
    record_sightings(
        connection, ((owner, item_id, modality) for owner in owners for modality in shown)
    )


def record_sightings(connection: Connection, shown: Iterable[tuple[int, int, int]]) -> None:
    """Keep in mind who was shown what.

    Args:
        connection: In a transaction that writes.
        shown: Person, sample, number of the modality.
    """
    values = [
        {"person_id": person, "item_id": item, "modality": modality}
        for person, item, modality in sorted(set(shown))
    ]
    if values:
        statement = insert_into(connection.dialect.name, sightings)
        connection.execute(statement.on_conflict_do_nothing(), values)
