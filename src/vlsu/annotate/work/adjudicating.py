"""What an adjudicator does with a case: decide it, revise that, leave it, stop its item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, exists, insert, select, update

from vlsu.annotate.plan.answers import STOP_KINDS
from vlsu.annotate.store.tables import (
    adjudications,
    bins,
    disputes,
    items,
    policy_versions,
    slots,
)
from vlsu.annotate.work.answering import LeaseLostError
from vlsu.annotate.work.cases import locked_adjudicator
from vlsu.annotate.work.records import add_exposure, add_tally, log
from vlsu.annotate.work.seats import exclude, lock_items
from vlsu.annotate.work.stopping import same_content, take_out
from vlsu.annotate.work.units import live_grades
from vlsu.errors import UsageError
from vlsu.policy import Policy, Severity

__all__ = ["MOST_REASON", "decide", "skip_case", "stop_case"]

#: Characters of a decision's reason.
MOST_REASON = 4000


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
    seconds: float = 0,
) -> bool:
    """Decide a dispute, or revise a decision; the graders' grades stay as they are.

    The last decision counts, and those before it stay stored.

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
        seconds: How long the case was shown.

    Returns:
        Whether the same decision was stored before, and this was it sent again.

    Raises:
        LeaseLostError: The dispute is closed or is another's.
        AnnotationError: The person is no adjudicator, or paused.
        UsageError: The decision is incomplete.
    """
    if grade not in [severity.label for severity in policy.severities]:
        raise UsageError(f"grade: {grade[:40]!r} is no severity of the policy")
    if (category is None) != (grade == Severity.SAFE.label) or (
        category is not None and category not in policy.category_ids
    ):
        raise UsageError(
            f"category: {category and category[:40]!r} does not fit an item that is {grade}"
        )
    reason = reason.strip()
    if not reason or len(reason) > MOST_REASON:
        raise UsageError(f"reason: give 1 to {MOST_REASON} characters")
    locked_adjudicator(connection, person_id)
    row = _locked(connection, dispute_id)
    last = connection.execute(
        select(adjudications).where(
            adjudications.c.dispute_id == dispute_id, adjudications.c.live.is_(True)
        )
    ).first()
    given = {"grade": grade, "category": category, "contested": contested, "reason": reason}
    if last is not None and row is not None and _is_same(last, person_id, given):
        _close(connection, dispute_id, row.closed_at)
        return True
    row = _held(connection, person_id, dispute_id)
    if row.closed_at is not None and last is None:
        raise _lost()  # its grades were opened again since
    if last is not None:
        connection.execute(
            update(adjudications).where(adjudications.c.id == last.id).values(live=None)
        )
    _seen(connection, person_id, row, seconds, now)
    _close(connection, dispute_id, row.closed_at or now)
    # Not before the grades that it was made from, whatever the machine's clock did meanwhile.
    seen_at = (each.given_at for each in live_grades(connection, row.item_id, row.modality))
    version = connection.scalar(
        select(policy_versions.c.id).order_by(policy_versions.c.id.desc()).limit(1)
    )
    connection.execute(
        insert(adjudications).values(
            dispute_id=dispute_id,
            person_id=person_id,
            policy_version=version,
            decided_at=max([now, *seen_at]),
            live=True,
            **given,
        )
    )
    log(connection, now, person_id, "revise" if last else "decide", f"dispute {dispute_id}")
    return False


def skip_case(
    connection: Connection, person_id: int, dispute_id: int, now: int, *, seconds: float = 0
) -> None:
    """Leave a case to another adjudicator, for a reason that nobody asks for.

    Args:
        connection: In a transaction that writes.
        person_id: The adjudicator, who is not offered the sample again.
        dispute_id: The dispute.
        now: Milliseconds.
        seconds: How long the case was shown.

    Raises:
        LeaseLostError: The dispute is closed or is another's.
    """
    row = _held(connection, person_id, dispute_id)
    if row.closed_at is not None:
        raise _lost()
    _seen(connection, person_id, row, seconds, now)
    stratum = connection.scalar(
        select(bins.c.stratum)
        .join(items, items.c.bin == bins.c.id)
        .where(items.c.id == row.item_id)
    )
    add_tally(connection, "skip", str(stratum))
    exclude(connection, person_id, row.item_id, "skip", now)
    connection.execute(
        update(disputes)
        .where(disputes.c.id == dispute_id)
        .values(adjudicator_id=None, token=None, leased_at=None, lease_until=None)
    )


def stop_case(
    connection: Connection,
    person_id: int,
    dispute_id: int,
    kind: str,
    now: int,
    *,
    seconds: float = 0,
) -> list[int]:
    """Take the item of a case out of every queue; see `vlsu.annotate.work.stopping.stop`.

    Args:
        connection: In a transaction that writes.
        person_id: The adjudicator.
        dispute_id: The dispute; it may be one that is being revised.
        kind: ``"illegal"`` or ``"threat"``.
        now: Milliseconds.
        seconds: How long the case was shown.

    Returns:
        Numbers of the samples that were stopped by this call.

    Raises:
        LeaseLostError: The dispute is another's, or the sample was stopped already.
        UsageError: There is no such kind.
    """
    if kind not in STOP_KINDS:
        raise UsageError(f"kind: {kind[:40]!r}; give {' or '.join(STOP_KINDS)}")
    locked_adjudicator(connection, person_id)
    at = connection.execute(select(disputes).where(disputes.c.id == dispute_id)).first()
    numbers = [] if at is None else same_content(connection, at.item_id, at.modality, kind)
    lock_items(connection, numbers)
    row = _held(connection, person_id, dispute_id)
    _seen(connection, person_id, row, seconds, now)
    return take_out(connection, person_id, row.item_id, row.modality, kind, numbers, now)


def _locked(connection: Connection, dispute_id: int) -> Row[Any] | None:
    """A dispute, locked with its sample."""
    item_id = connection.scalar(select(disputes.c.item_id).where(disputes.c.id == dispute_id))
    lock_items(connection, [] if item_id is None else [item_id])
    return connection.execute(
        select(disputes).where(disputes.c.id == dispute_id).with_for_update()
    ).first()


def _held(connection: Connection, person_id: int, dispute_id: int) -> Row[Any]:
    """A dispute that is before an adjudicator, to be decided or to be decided anew; locked."""
    locked_adjudicator(connection, person_id)
    row = _locked(connection, dispute_id)
    if row is None or row.adjudicator_id != person_id or row.lease_until is None:
        raise _lost()
    if row.closed_at is not None:
        stopped = connection.scalar(select(items.c.stopped_at).where(items.c.id == row.item_id))
        if row.closed_as != "decided" or stopped is not None:
            raise _lost()
    return row


def _lost() -> LeaseLostError:
    return LeaseLostError("this dispute was closed, or is another's; fetch the next")


def _is_same(last: Row[Any], person_id: int, given: Mapping[str, object]) -> bool:
    """Whether a decision is the last one, sent again."""
    return last.person_id == person_id and all(
        getattr(last, name) == value for name, value in given.items()
    )


def _close(connection: Connection, dispute_id: int, closed_at: int | None) -> None:
    connection.execute(
        update(disputes)
        .where(disputes.c.id == dispute_id)
        .values(closed_at=closed_at, closed_as="decided", token=None, lease_until=None)
    )


def _seen(connection: Connection, person_id: int, row: Row[Any], seconds: float, now: int) -> None:
    """Count what an adjudicator was shown, for no longer than it was leased."""
    hard = exists().where(
        slots.c.item_id == row.item_id, slots.c.modality == row.modality, slots.c.hard.is_(True)
    )
    leased = (now - (row.leased_at or now)) / 1000
    add_exposure(
        connection,
        person_id,
        now,
        hard=bool(connection.scalar(select(hard))),
        seconds=max(0.0, min(seconds, leased)),
    )
