"""The next item of a grader."""

from __future__ import annotations

import enum
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, or_, select, update

from vlsu.annotate.plan.drawing import integer
from vlsu.annotate.plan.settings import Bounds, Plan
from vlsu.annotate.store.states import MODALITY_NUMBERS, State, is_state
from vlsu.annotate.store.tables import (
    bins,
    grades,
    opt_outs,
    people,
    slots,
)
from vlsu.annotate.work.candidates import Wanted, lease
from vlsu.annotate.work.check_rows import answered_checks, open_checks
from vlsu.annotate.work.checks import Circumstances, hidden_check
from vlsu.annotate.work.days import Seen, only_lighter, seen_on, working_since
from vlsu.annotate.work.holding import Named, extend_leases, held_by, name_of, sweep
from vlsu.annotate.work.leases import CHECK, SLOT, Held, Lease
from vlsu.annotate.work.sightings import barring
from vlsu.annotate.work.training import Trained, training_item
from vlsu.policy import MODALITIES

__all__ = ["Lease", "Nothing", "locked_person", "next_item"]

#: Blocks by modality, in turn: parts in either order, pairs after both.
CYCLE = tuple(
    MODALITY_NUMBERS[name] for name in ("image", "text", "joint", "text", "image", "joint")
)
# Statements of every request, built once: building takes longer than running them does.
_PERSON = select(people).where(people.c.id == bindparam("person")).with_for_update(key_share=True)
_LAST = (
    select(grades.c.slot_id, grades.c.id, grades.c.given_at, grades.c.seconds)
    .where(grades.c.person_id == bindparam("person"))
    .order_by(grades.c.id.desc())
    .limit(bindparam("number"))
    .subquery()
)
_RECENT = (
    select(
        *(_LAST.c.id, slots.c.item_id, slots.c.cluster, slots.c.hard),
        *(_LAST.c.given_at, _LAST.c.seconds),
    )
    .join(_LAST, _LAST.c.slot_id == slots.c.id)
    .order_by(_LAST.c.id.desc())
)
_OPTED_OUT = select(opt_outs.c.stratum).where(opt_outs.c.person_id == bindparam("person"))
_ADVANCE = (
    update(people)
    .where(people.c.id == bindparam("person"))
    .values(
        draws=people.c.draws + 1,
        block=bindparam("new_block"),
        block_left=bindparam("left"),
        active_at=bindparam("now"),
        working_since=bindparam("since"),
    )
)
_ACTIVE = (
    update(people)
    .where(people.c.id == bindparam("person"))
    .values(active_at=bindparam("now"), working_since=bindparam("since"))
)


class Nothing(enum.StrEnum):
    """Why a grader gets no item now."""

    #: There is nothing left for them, and will not be unless somebody leaves.
    FINISHED = "finished"
    #: Others hold what is left; some of it may come back.
    WAIT = "wait"
    #: They hold as many items as they may.
    HELD = "held"
    #: A bound of the day.
    MINUTES = "minutes"
    HARD_ITEMS = "hard_items"
    #: They have not agreed yet, are paused, or do not grade.
    CONSENT = "consent"
    PAUSED = "paused"
    ROLE = "role"


@dataclass(frozen=True, slots=True)
class _Seen:
    """One item that a grader has just seen, or holds."""

    item: int
    cluster: int | None
    hard: bool
    given_at: int = 0
    seconds: float = 0.0


def next_item(
    connection: Connection,
    plan: Plan,
    person_id: int,
    now: int,
    *,
    holds: Iterable[int | Held] = (),
) -> Lease | Nothing:
    """Lease a grader's next item.

    An item that they hold and that their page does not know of comes first: a page that was loaded
    anew goes on where it was.

    Args:
        connection: In a transaction that writes.
        plan: Of the project.
        person_id: The grader.
        now: Milliseconds.
        holds: What the page has already: leases, or numbers of slots.
    """
    person = locked_person(connection, person_id)
    if (refusal := _refusal(person)) is not None:
        return refusal
    until = now + plan.order.lease_minutes * 60_000
    waiting = open_checks(connection, person_id)
    held = held_by(connection, person_id, now, waiting)
    known = {name_of(each) for each in holds}
    for kind, row in held:
        if (kind, row.id) not in known:
            extend_leases(connection, plan, person_id, now, [Named(kind, row.id)])
            return _lease(row, row.token, until, kind)
    if len(held) >= plan.order.held:
        return Nothing.HELD
    today = seen_on(connection, person, now)
    if 0 < plan.bounds.minutes_a_day * 60 <= today.seconds:
        return Nothing.MINUTES
    leased = [_Seen(row.item_id, row.cluster, row.hard) for _, row in held]
    seen = leased + _recent(connection, person_id, max(plan.order.apart, plan.bounds.spacing, 1))
    today = Seen(
        today.items + len(leased), today.hard + sum(each.hard for each in leased), today.seconds
    )
    allowed = _allowed(connection, plan, person)
    near = seen[: plan.order.apart]
    about = Circumstances(
        allowed=allowed,
        modality=CYCLE[person.block % len(CYCLE)],
        near_items={each.item for each in near},
        near_clusters={each.cluster for each in near if each.cluster is not None},
        lighter=any(each.hard for each in seen[: plan.bounds.spacing])
        or only_lighter(plan.bounds, today),
        bound=0 < plan.bounds.hard_a_day <= today.hard,
        now=now,
        until=until,
    )
    beside = _beside(connection, plan, person, about, waiting, seen)
    if beside is not None:
        return beside
    found = _draw(connection, plan, person, seen, today, about)
    if found is Nothing.WAIT and sweep(connection, now):
        found = _draw(connection, plan, person, seen, today, about)
    return found


def _beside(
    connection: Connection,
    plan: Plan,
    person: Row[Any],
    about: Circumstances,
    waiting: Sequence[Row[Any]],
    seen: Sequence[_Seen],
) -> Lease | Nothing | None:
    """What comes before a grader's next slot: training, or a check that is due."""
    found: Lease | Trained | None = None
    if person.trained_at is None:
        found = training_item(connection, plan, person, about)
        if found is None:
            held = any(row.token and row.lease_until >= about.now for row in waiting)
            return Nothing.HELD if held else Nothing.HARD_ITEMS
        if isinstance(found, Trained) and found.paused:
            return Nothing.PAUSED
    if not isinstance(found, Lease):
        found = hidden_check(connection, plan, person, about, waiting)
    if found is not None:
        since = _working_since(plan, person, seen, about.now)
        active = {"person": person.id, "now": about.now, "since": since}
        connection.execute(_ACTIVE, active)
    return found


def locked_person(connection: Connection, person_id: int) -> Row[Any]:
    """A person's row, locked: what one person does is done one after another."""
    return connection.execute(_PERSON, {"person": person_id}).one()


def _refusal(person: Row[Any]) -> Nothing | None:
    if person.role != "grader":
        return Nothing.ROLE
    if person.paused_at is not None:
        return Nothing.PAUSED
    if person.consented_at is None or not person.adult:
        return Nothing.CONSENT
    return None


def _recent(connection: Connection, person_id: int, number: int) -> list[_Seen]:
    if not number:
        return []
    rows = connection.execute(_RECENT, {"person": person_id, "number": number})
    found = [((row.id, 0), _Seen(*row[1:])) for row in rows]
    since = found[-1][0][0] if len(found) == number else 0
    found += [
        (
            (row.after_grade, row.id),
            _Seen(row.item_id, row.cluster, row.hard, row.answered_at, row.seconds),
        )
        for row in answered_checks(connection, person_id, since, number)
    ]
    return [each for _, each in sorted(found, key=lambda one: one[0], reverse=True)][:number]


def _draw(
    connection: Connection,
    plan: Plan,
    person: Row[Any],
    seen: Sequence[_Seen],
    today: Seen,
    about: Circumstances,
) -> Lease | Nothing:
    token = secrets.token_hex(16)
    for apart, hard in _levels(plan.bounds, seen, today, about.bound):
        for step, modality in _blocks(person, about.allowed):
            for kept in (True, False):
                wanted = Wanted(
                    person=person.id,
                    modality=modality,
                    kept=kept,
                    barring=barring(modality, disjoint=plan.disjoint),
                    hard=hard,
                    bins=about.allowed[modality],
                    avoid_items=sorted(about.near_items) if apart else (),
                    avoid_clusters=sorted(about.near_clusters) if apart else (),
                    point=integer(plan.seed, "draw", person.id, person.draws),
                )
                row = lease(connection, wanted, token=token, now=about.now, until=about.until)
                if row is not None:
                    _advance(connection, plan, person, step, about.now, seen)
                    return _lease(row, token, about.until, SLOT)
    others = select(slots.c.id).where(is_state(State.LEASED), slots.c.owner_id != person.id)
    of_theirs = and_(is_state(State.KEPT), slots.c.owner_id == person.id)
    if about.bound and _any(connection, and_(slots.c.hard, or_(is_state(State.FREE), of_theirs))):
        return Nothing.HARD_ITEMS
    return Nothing.WAIT if connection.execute(others.limit(1)).first() else Nothing.FINISHED


def _levels(
    bounds: Bounds, seen: Sequence[_Seen], today: Seen, bound: bool
) -> Iterator[tuple[bool, tuple[bool, ...]]]:
    """What is wished for, the most first: apart from others like it, and its hardness.

    The bound of the day holds at every level; spacing, the share of hard items, the calm end of a
    day and distance hold while there is anything else to grade.
    """
    hard_before = any(each.hard for each in seen[: bounds.spacing])
    both, lighter = (False, True), (False,)
    wished = lighter if bound or hard_before or only_lighter(bounds, today) else both
    possible = lighter if bound else both
    for hardness in dict.fromkeys((wished, possible)):
        yield True, hardness
        yield False, hardness


def _blocks(
    person: Row[Any], allowed: Mapping[int, tuple[int, ...] | None]
) -> Iterator[tuple[int, int]]:
    """Modalities in the order of a grader's blocks, each with the steps to its block."""
    first = 0 if person.block_left > 0 else 1
    tried: set[int] = set()
    for step in range(first, first + len(CYCLE)):
        modality = CYCLE[(person.block + step) % len(CYCLE)]
        if modality in tried or modality not in allowed or allowed[modality] == ():
            continue
        tried.add(modality)
        yield step, modality


def _advance(
    connection: Connection,
    plan: Plan,
    person: Row[Any],
    step: int,
    now: int,
    seen: Sequence[_Seen],
) -> None:
    connection.execute(
        _ADVANCE,
        {
            "person": person.id,
            "new_block": (person.block + step) % len(CYCLE),
            "left": (person.block_left if step == 0 else plan.order.block) - 1,
            "now": now,
            "since": _working_since(plan, person, seen, now),
        },
    )


def _working_since(plan: Plan, person: Row[Any], seen: Sequence[_Seen], now: int) -> int:
    last = [(each.given_at, each.seconds) for each in seen if each.given_at][:1]
    return working_since(plan.bounds, person, last, now)


def _allowed(
    connection: Connection, plan: Plan, person: Row[Any]
) -> dict[int, tuple[int, ...] | None]:
    """Bins that a grader may see, by modality; `None` for all.

    A language keeps from images, too, where the seat has a text or a pair: whoever takes the image
    grades these as well.
    """
    wanted = [n for name, n in MODALITY_NUMBERS.items() if plan.graders.get(name)]
    out = set(connection.scalars(_OPTED_OUT, {"person": person.id}))
    reads = set(person.languages.split(",")) if person.languages else None
    if not out and reads is None:
        return dict.fromkeys(wanted)
    known = connection.execute(select(bins).order_by(bins.c.id)).all()

    image_alone = wanted == [MODALITY_NUMBERS["image"]]

    def suits(row: Row[Any]) -> bool:
        language = (row.language or "").lower().partition("-")[0]
        readable = reads is None or not language or language in reads
        return row.stratum not in out and (readable or image_alone)

    return dict.fromkeys(wanted, tuple(row.id for row in known if suits(row)))


def _any(connection: Connection, condition: Any) -> bool:
    return connection.execute(select(slots.c.id).where(condition).limit(1)).first() is not None


def _lease(row: Row[Any], token: str, until: int, kind: str) -> Lease:
    return Lease(
        slot=row.id,
        token=token,
        item=row.item_id,
        sample_id=row.sample_id,
        alias=row.alias,
        modality=MODALITIES[row.modality],
        until=until,
        kind=kind,
        training=kind == CHECK and row.kind == "training",
    )
