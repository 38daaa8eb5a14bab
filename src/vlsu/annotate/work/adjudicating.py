"""Disputes, decided by an adjudicator who sees the grades and notes without names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, exists, insert, not_, or_, select, update

from vlsu.annotate.plan.drawing import integer
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.tables import (
    adjudications,
    disputes,
    grades,
    items,
    policy_versions,
)
from vlsu.annotate.work.leasing import locked_person
from vlsu.annotate.work.records import log
from vlsu.annotate.work.seats import lock_items
from vlsu.annotate.work.units import live_grades
from vlsu.errors import AnnotationError, UsageError
from vlsu.policy import MODALITIES, Policy, Severity

__all__ = ["Case", "Opinion", "decide", "next_case"]

_MOST_REASON = 4000


@dataclass(frozen=True, slots=True)
class Opinion:
    """A grade and its note, of nobody: the order is drawn anew for each case."""

    grade: str
    category: str | None
    confidence: int | None
    admissible: tuple[str, ...]
    refers: str | None
    because: str | None
    note: str


@dataclass(frozen=True, slots=True)
class Case:
    """A dispute before an adjudicator.

    Attributes:
        dispute: Its number.
        item: Number of the sample.
        sample_id: Its identifier in the dataset.
        alias: What pages call it.
        modality: ``"image"``, ``"text"`` or ``"joint"``.
        reason: A `vlsu.annotate.consensus.majority.Dispute`.
        opinions: The grades that count.
    """

    dispute: int
    item: int
    sample_id: str
    alias: str
    modality: str
    reason: str
    opinions: tuple[Opinion, ...]


def next_case(connection: Connection, plan: Plan, person_id: int, now: int) -> Case | None:
    """The oldest dispute that no other adjudicator has, of a sample that this one did not grade.

    Args:
        connection: In a transaction that writes.
        plan: Of the project.
        person_id: The adjudicator.
        now: Milliseconds.

    Raises:
        AnnotationError: The person is no adjudicator, or paused.
    """
    _adjudicator(connection, person_id)
    own = exists().where(grades.c.item_id == disputes.c.item_id, grades.c.person_id == person_id)
    chosen = (
        select(disputes.c.id)
        .where(
            disputes.c.closed_at.is_(None),
            or_(
                disputes.c.adjudicator_id == person_id,
                disputes.c.lease_until.is_(None),
                disputes.c.lease_until < now,
            ),
            not_(own),
        )
        .order_by(disputes.c.adjudicator_id.is_distinct_from(person_id), disputes.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = connection.execute(
        update(disputes)
        .where(disputes.c.id == chosen.scalar_subquery())
        .values(adjudicator_id=person_id, lease_until=now + plan.order.lease_minutes * 60_000)
        .returning(disputes)
    ).first()
    if row is None:
        return None
    item = connection.execute(select(items).where(items.c.id == row.item_id)).one()
    found = sorted(
        live_grades(connection, row.item_id, row.modality),
        key=lambda grade: integer(plan.seed, "opinion", row.id, grade.id),
    )
    return Case(
        dispute=row.id,
        item=row.item_id,
        sample_id=item.sample_id,
        alias=item.alias,
        modality=MODALITIES[row.modality],
        reason=row.reason,
        opinions=tuple(map(_opinion, found)),
    )


def decide(
    connection: Connection,
    policy: Policy,
    person_id: int,
    dispute_id: int,
    now: int,
    *,
    grade: str,
    category: str | None,
    contested: bool,
    reason: str,
) -> None:
    """Decide a dispute; the graders' grades stay as they are.

    Args:
        connection: In a transaction that writes.
        policy: For the categories and severities.
        person_id: The adjudicator.
        dispute_id: The dispute.
        now: Milliseconds.
        grade: A severity's label.
        category: Identifier, unless it is safe.
        contested: Whether the sample is to be marked so: careful people differ.
        reason: Why.

    Raises:
        AnnotationError: The dispute is closed or is another's.
        UsageError: The decision is incomplete.
    """
    if grade not in [severity.label for severity in policy.severities]:
        raise UsageError(f"grade: {grade[:40]!r} is no severity of the policy")
    if (category is None) != (grade == Severity.SAFE.label) or (
        category is not None and category not in policy.category_ids
    ):
        raise UsageError(f"category: {category!r} does not fit an item that is {grade}")
    if not reason.strip() or len(reason) > _MOST_REASON:
        raise UsageError(f"reason: give 1 to {_MOST_REASON} characters")
    _adjudicator(connection, person_id)
    item_id = connection.scalar(select(disputes.c.item_id).where(disputes.c.id == dispute_id))
    lock_items(connection, [] if item_id is None else [item_id])
    row = connection.execute(
        update(disputes)
        .where(
            disputes.c.id == dispute_id,
            disputes.c.closed_at.is_(None),
            disputes.c.adjudicator_id == person_id,
        )
        .values(closed_at=now, closed_as="decided", lease_until=None)
        .returning(disputes.c.id)
    ).first()
    if row is None:
        raise AnnotationError("this dispute was closed, or is another's; fetch the next")
    version = connection.scalar(
        select(policy_versions.c.id).order_by(policy_versions.c.id.desc()).limit(1)
    )
    connection.execute(
        insert(adjudications).values(
            dispute_id=dispute_id,
            person_id=person_id,
            grade=grade,
            category=category,
            contested=contested,
            reason=reason.strip(),
            policy_version=version,
            decided_at=now,
        )
    )
    log(connection, now, person_id, "decide", f"dispute {dispute_id}")


def _adjudicator(connection: Connection, person_id: int) -> Row[Any]:
    person = locked_person(connection, person_id)
    if person.role not in ("adjudicator", "lead") or person.paused_at is not None:
        raise AnnotationError("only an adjudicator who is not paused decides disputes")
    return person


def _opinion(row: Row[Any]) -> Opinion:
    return Opinion(
        grade=row.grade,
        category=row.category,
        confidence=row.confidence,
        admissible=tuple(filter(None, (row.admissible or "").split(","))),
        refers=row.refers,
        because=row.because,
        note=row.note or "",
    )
