"""The training round: known items with feedback, before any that counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from vlsu.annotate.plan.drawing import integer
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.tables import checks, gold, people
from vlsu.annotate.work.check_rows import open_checks
from vlsu.annotate.work.checks import (
    Circumstances,
    first_open,
    known_units,
    new_checks,
)
from vlsu.annotate.work.leases import Lease
from vlsu.annotate.work.permitting import Unit, permitted

__all__ = ["Trained", "training_item"]


class Trained:
    """Training is over: `passed` is `None` where nothing was measured.

    Attributes:
        paused: Whether the grader was paused because of it.
    """

    def __init__(self, *, paused: bool) -> None:
        self.paused = paused


def training_item(
    connection: Connection, plan: Plan, person: Row[Any], about: Circumstances
) -> Lease | Trained | None:
    """The next training item of a grader who has not been trained.

    A round has as many items as the plan says, of each modality as many as there are to be had
    equally, parts first, one of a sample. Who has the stated share right is trained; others get
    another round with other items, and after the last go to work with a mark, or are paused.

    Args:
        connection: In a transaction that holds the person's lock.
        plan: Of the project.
        person: The grader's row.
        about: What they may be shown.

    Returns:
        `None` where all that is left of a round is before the grader, or too hard for today.
    """
    rules = plan.checks
    for _ in range(rules.rounds + 1):
        waiting = [row for row in open_checks(connection, person.id) if row.kind == "training"]
        if waiting:
            shown = [row for row in waiting if row.token is None or row.lease_until < about.now]
            lease = first_open(connection, plan, person.id, shown, about)
            still = [row for row in open_checks(connection, person.id) if row.kind == "training"]
            if lease is not None or still:
                return lease
        round_, right, answered = _result(connection, person.id)
        if answered and right >= rules.passing * answered:
            return _trained(connection, person.id, about.now, True)
        another = rules.training and round_ < rules.rounds and (answered or not round_)
        units = _drawn(connection, plan, person.id, about.allowed) if another else []
        if not units:
            passed = False if answered else None
            pause = passed is False and rules.pause_failed
            return _trained(connection, person.id, about.now, passed, pause=pause)
        new_checks(connection, person.id, units, "training", round_ + 1)
    raise AssertionError("a round has items, or there is none")


def _result(connection: Connection, person_id: int) -> tuple[int, int, int]:
    """The last round, its answers that were right, and all its answers."""
    of_training = (checks.c.person_id == person_id, checks.c.kind == "training")
    round_ = connection.scalar(select(func.max(checks.c.round)).where(*of_training)) or 0
    rows = connection.execute(
        select(checks.c.grade, gold.c.grade.label("known"))
        .join(gold, (gold.c.item_id == checks.c.item_id) & (gold.c.modality == checks.c.modality))
        .where(
            *of_training,
            checks.c.round == round_,
            checks.c.live.is_(True),
            checks.c.answered_at.is_not(None),
        )
    ).all()
    return round_, sum(row.grade == row.known for row in rows), len(rows)


def _drawn(
    connection: Connection,
    plan: Plan,
    person_id: int,
    allowed: Mapping[int, tuple[int, ...] | None],
) -> list[Unit]:
    """The items of a round, in their order."""
    units = known_units(connection, person_id, allowed)
    units.sort(key=lambda unit: integer(plan.seed, "training", person_id, unit.item, unit.modality))
    by_modality: dict[int, list[Unit]] = {}
    for unit in permitted(connection, plan, person_id, units, allowed):
        by_modality.setdefault(unit.modality, []).append(unit)
    chosen: list[Unit] = []
    used: set[int] = set()
    while any(by_modality.values()) and len(chosen) < plan.checks.training:
        for modality in sorted(by_modality):
            left = by_modality[modality]
            while left and left[0].item in used:
                left.pop(0)
            if left and len(chosen) < plan.checks.training:
                chosen.append(left.pop(0))
                used.add(chosen[-1].item)
    return sorted(chosen, key=lambda unit: unit.modality)


def _trained(
    connection: Connection,
    person_id: int,
    now: int,
    passed: bool | None,
    *,
    pause: bool = False,
) -> Trained:
    values: dict[str, Any] = {"trained_at": now, "training_passed": passed}
    if pause:
        values["paused_at"] = now
    connection.execute(update(people).where(people.c.id == person_id).values(**values))
    return Trained(paused=pause)
