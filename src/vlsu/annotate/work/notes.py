"""Notes on the policy, each of which makes a new version of it, and the grades they open again.

What a note opens again is a wish, stored with it: grades of a category and a modality that were
given under earlier versions. It is fulfilled some samples at a time, so that graders go on
meanwhile and a server that ended goes on where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    distinct,
    exists,
    func,
    insert,
    not_,
    select,
    update,
)

from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.states import MODALITY_NUMBERS
from vlsu.annotate.store.tables import (
    adjudications,
    disputes,
    grades,
    items,
    policy_notes,
    policy_versions,
)
from vlsu.annotate.work.cases import locked_adjudicator
from vlsu.annotate.work.records import log
from vlsu.annotate.work.seats import lock_items, reopen_slots
from vlsu.annotate.work.sightings import has_seen_pair
from vlsu.annotate.work.units import close_dispute
from vlsu.errors import AnnotationError, UsageError
from vlsu.policy import MODALITIES, Policy

__all__ = [
    "MOST_TEXT",
    "Opening",
    "Touched",
    "add_note",
    "notes",
    "open_some",
    "pending",
    "touched",
]

#: Characters of a note.
MOST_TEXT = 2000
#: Grades that one transaction opens again, at most.
_AT_ONCE = 200
_PAIR = MODALITY_NUMBERS["joint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Which grades of earlier versions a note opens again.

    Attributes:
        category: Grades of this category; `None` for all grades, safe and not sure among them.
        modality: Of this modality; `None` for all.
        decided: Also where an adjudicator has decided; the decision counts no longer then.
    """

    category: str | None = None
    modality: str | None = None
    decided: bool = False


@dataclass(frozen=True, slots=True)
class Touched:
    """What opening grades again would touch.

    Attributes:
        grades: Grades that would count no longer.
        samples: Their samples.
        others: Of these grades, those of parts whose grader has seen the pair since: they need a
            grader who has not.
        decided: Decisions on units with such grades: they count no longer if that is chosen, and
            else keep the grades of their units from being opened again.
    """

    grades: int
    samples: int
    others: int
    decided: int


def add_note(
    connection: Connection,
    policy: Policy,
    person_id: int,
    now: int,
    *,
    text: str,
    category: str | None = None,
    dispute: int | None = None,
    opening: Opening | None = None,
) -> int:
    """Add a note, which makes a new version of the policy; grades are opened by `open_some`.

    Args:
        connection: In a transaction that writes.
        policy: Of the project.
        person_id: An adjudicator or a lead.
        now: Milliseconds.
        text: What the note says; the same note sent twice counts once.
        category: Identifier; `None` for a note on all of the policy.
        dispute: The case that it came from, whose own grades stay.
        opening: Which grades are opened again; none by default.

    Returns:
        Number of the note.

    Raises:
        AnnotationError: The person may not, or the case is not theirs.
        UsageError: The note is empty or too long, or there is no such category or modality.
    """
    text = text.strip()
    if not text or len(text) > MOST_TEXT:
        raise UsageError(f"text: give 1 to {MOST_TEXT} characters")
    for each in (category, None if opening is None else opening.category):
        if each is not None and each not in policy.category_ids:
            raise UsageError(f"category: the policy has no {each[:40]!r}")
    locked_adjudicator(connection, person_id)
    if dispute is not None:
        whose = select(disputes.c.adjudicator_id).where(disputes.c.id == dispute)
        if connection.scalar(whose) != person_id:
            raise AnnotationError("this case is another's; fetch the next")
    # Notes are numbered one after another: whoever holds the first version's row adds the next.
    first = connection.execute(
        select(policy_versions).order_by(policy_versions.c.id).limit(1).with_for_update()
    ).one()
    last = connection.execute(
        select(policy_versions).order_by(policy_versions.c.id.desc()).limit(1)
    ).one()
    known = connection.execute(
        select(policy_notes).where(policy_notes.c.version_id == last.id)
    ).first()
    if known is not None and (known.person_id, known.category, known.text) == (
        *(person_id, category, text),
    ):
        return int(known.id)
    number = last.id - first.id + 1
    chain = "\n".join((last.policy_hash, category or "", text))
    connection.execute(
        insert(policy_versions).values(
            id=last.id + 1,
            label=f"{first.label}+note {number}",
            policy_hash=hashlib.sha256(chain.encode("utf-8", "surrogatepass")).hexdigest(),
            made_at=now,
        )
    )
    opens = opening or Opening()
    made: int = connection.execute(
        insert(policy_notes)
        .values(
            version_id=last.id + 1,
            category=category,
            text=text,
            person_id=person_id,
            dispute_id=dispute,
            opens=opening is not None,
            opens_category=opens.category,
            opens_modality=_number(opens.modality),
            opens_decided=opens.decided,
        )
        .returning(policy_notes.c.id)
    ).scalar_one()
    log(connection, now, person_id, "note", f"version {last.id + 1}")
    return made


def notes(connection: Connection) -> list[dict[str, Any]]:
    """The notes, the first first: for graders, and for exports. Nobody's name is in them.

    Returns:
        For each ``id``, ``version`` (label of the policy with it), ``category`` (`None` for a note
        on all of it), ``text``, ``made_at`` (milliseconds) and ``opened``: `None`, or which grades
        of earlier versions it opened again, as in `Opening`.
    """
    rows = connection.execute(
        select(policy_notes, policy_versions.c.label, policy_versions.c.made_at)
        .join(policy_versions, policy_versions.c.id == policy_notes.c.version_id)
        .order_by(policy_notes.c.id)
    )
    return [
        {
            "id": row.id,
            "version": row.label,
            "category": row.category,
            "text": row.text,
            "made_at": row.made_at,
            "opened": {
                "category": row.opens_category,
                "modality": (
                    None if row.opens_modality is None else MODALITIES[row.opens_modality]
                ),
                "decided": row.opens_decided,
            }
            if row.opens
            else None,
        }
        for row in rows
    ]


def touched(connection: Connection, opening: Opening, dispute: int | None = None) -> Touched:
    """What opening grades again would touch now.

    Args:
        connection: For reading.
        opening: Which grades.
        dispute: The case that the note comes from, whose own grades stay.
    """
    about = (opening.category, _number(opening.modality), dispute)
    chosen = _chosen(*about, decided=opening.decided)
    seen = has_seen_pair(grades.c.person_id, grades.c.item_id)
    of_grades = select(func.count()).select_from(grades).join(items, items.c.id == grades.c.item_id)
    samples = select(func.count(distinct(grades.c.item_id))).join(
        items, items.c.id == grades.c.item_id
    )
    decided = (
        select(func.count(distinct(adjudications.c.id)))
        .select_from(grades)
        .join(items, items.c.id == grades.c.item_id)
        .join(
            disputes,
            and_(disputes.c.item_id == grades.c.item_id, disputes.c.modality == grades.c.modality),
        )
        .join(adjudications, adjudications.c.dispute_id == disputes.c.id)
        .where(*_chosen(*about, decided=True), adjudications.c.live.is_(True))
    )
    return Touched(
        grades=connection.scalar(of_grades.where(*chosen)) or 0,
        samples=connection.scalar(samples.where(*chosen)) or 0,
        others=connection.scalar(of_grades.where(*chosen, grades.c.modality != _PAIR, seen)) or 0,
        decided=connection.scalar(decided) or 0,
    )


def pending(connection: Connection) -> bool:
    """Whether a note's grades are still to be opened again."""
    return connection.execute(_PENDING.limit(1)).first() is not None


def open_some(connection: Connection, plan: Plan, now: int, after: int) -> int | None:
    """Open some of the grades again that a note opens: set them aside, and ask for new ones.

    Grades are marked as superseded and stay stored. Who is asked is told in
    `vlsu.annotate.work.seats.reopen_slots`. Open disputes about them are closed.

    Args:
        connection: In a transaction that writes.
        plan: Of the project.
        now: Milliseconds.
        after: What the last call returned; 0 for the first.

    Returns:
        What the next call is to be given; `None` once nothing is left.
    """
    note = connection.execute(_PENDING.order_by(policy_notes.c.id).limit(1)).first()
    if note is None:
        return None
    chosen = [
        grades.c.policy_version < note.version_id,
        *_chosen(
            note.opens_category, note.opens_modality, note.dispute_id, decided=note.opens_decided
        ),
    ]
    some = connection.execute(
        select(grades.c.id, grades.c.item_id)
        .join(items, items.c.id == grades.c.item_id)
        .where(grades.c.id > after, *chosen)
        .order_by(grades.c.id)
        .limit(_AT_ONCE)
    ).all()
    if not some:
        if after == 0:
            connection.execute(
                update(policy_notes).where(policy_notes.c.id == note.id).values(opened_at=now)
            )
        return 0  # once more from the first: answers may have come meanwhile
    numbers = [row.id for row in some]
    lock_items(connection, {row.item_id for row in some})
    found = connection.execute(  # looked at once more, now that the samples are locked
        select(grades.c.id, grades.c.item_id, grades.c.modality, grades.c.slot_id)
        .join(items, items.c.id == grades.c.item_id)
        .where(grades.c.id.in_(numbers), *chosen)
    ).all()
    connection.execute(
        update(grades)
        .where(grades.c.id.in_([row.id for row in found]))
        .values(live=None, withdrawn_at=now, withdrawn_as="superseded")
    )
    _withdraw(connection, {(row.item_id, row.modality) for row in found}, now)
    by_item: dict[int, set[int]] = {}
    for row in found:
        by_item.setdefault(row.item_id, set()).add(row.slot_id)
    for item, slot_ids in sorted(by_item.items()):
        reopen_slots(connection, plan, item, slot_ids, now)
    if found:
        log(connection, now, note.person_id, "supersede", f"{len(found)} grades by note {note.id}")
    return int(numbers[-1])


def _withdraw(connection: Connection, units: Iterable[tuple[int, int]], now: int) -> None:
    """Close what is in dispute about units, and have decisions on them count no longer."""
    for item, modality in sorted(units):
        close_dispute(connection, item, modality, "reopened", now)
        of_unit = select(disputes.c.id).where(
            disputes.c.item_id == item, disputes.c.modality == modality
        )
        connection.execute(
            update(adjudications)
            .where(adjudications.c.dispute_id.in_(of_unit), adjudications.c.live.is_(True))
            .values(live=None)
        )


_PENDING = select(policy_notes).where(
    policy_notes.c.opens.is_(True), policy_notes.c.opened_at.is_(None)
)


def _chosen(
    category: str | None, modality: int | None, dispute: int | None, *, decided: bool
) -> list[ColumnElement[bool]]:
    """Conditions on grades, joined with their samples, that are opened again."""
    found: list[ColumnElement[bool]] = [grades.c.live.is_(True), items.c.stopped_at.is_(None)]
    if category is not None:
        found.append(grades.c.category == category)
    if modality is not None:
        found.append(grades.c.modality == modality)
    own, decision = disputes.alias("own"), adjudications.alias("decision")
    of_unit = and_(own.c.item_id == grades.c.item_id, own.c.modality == grades.c.modality)
    if dispute is not None:
        found.append(not_(exists().where(own.c.id == dispute, of_unit)))
    if not decided:
        counts = and_(decision.c.dispute_id == own.c.id, decision.c.live.is_(True))
        found.append(not_(exists().where(of_unit, counts)))
    return found


def _number(modality: str | None) -> int | None:
    if modality is None:
        return None
    if modality not in MODALITY_NUMBERS:
        raise UsageError(f"modality: {modality[:40]!r}; give {', '.join(MODALITIES)}")
    return MODALITY_NUMBERS[modality]
