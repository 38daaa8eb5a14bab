"""How far a project is: for ``vlsu annotate status`` and the lead's page."""

from __future__ import annotations

from typing import Any

import polars as pl
from sqlalchemy import Connection, case, distinct, func, select

from vlsu.analysis.agreement.agreement import grader_agreement
from vlsu.analysis.stats.intervals import UNDEFINED, plain
from vlsu.annotate.projects.project import Project
from vlsu.annotate.store.states import State
from vlsu.annotate.store.tables import (
    disputes,
    exposures,
    grades,
    items,
    people,
    slots,
)
from vlsu.policy import MODALITIES

__all__ = ["live_frame", "status"]

#: Draws of the intervals of agreement, which are computed each time.
_REPLICATES = 500


def status(project: Project) -> dict[str, Any]:
    """Slots, graders, agreement and disputes, ready for JSON.

    Args:
        project: Opened.

    Returns:
        ``slots{modality: {wanted, done, leased}}`` (stopped samples want none), ``graders{name:
        {done, minutes, exposed}}`` (grades that count, minutes of grading, hard items seen),
        ``agreement{modality: {alpha, ac2}}`` (Krippendorff's ordinal alpha and Gwet's AC2, with
        intervals over items) and ``disputes`` (open ones).
    """
    with project.database.read() as connection:
        found: dict[str, Any] = {
            "slots": _slots(connection),
            "graders": _graders(connection),
        }
        frame = live_frame(connection)
        disputed = select(func.count()).select_from(disputes).where(disputes.c.closed_at.is_(None))
        number = connection.scalar(disputed)
    found["agreement"] = _agreement(frame, [m for m, n in project.plan.graders.items() if n])
    found["disputes"] = number
    plain_: dict[str, Any] = plain(found)
    return plain_


def live_frame(connection: Connection) -> pl.DataFrame:
    """The grades that count, of samples that were not stopped.

    Returns:
        `item`, `modality`, `grader` (pseudonym), `grade` and `category`.
    """
    statement = (
        select(
            items.c.sample_id, grades.c.modality, people.c.pseudonym, grades.c.grade,
            grades.c.category,
        )
        .join(items, items.c.id == grades.c.item_id)
        .join(people, people.c.id == grades.c.person_id)
        .where(grades.c.live.is_(True), items.c.stopped_at.is_(None))
        .order_by(grades.c.id)
    )  # fmt: skip
    rows = connection.execute(statement).all()
    frame = pl.DataFrame(
        [tuple(row) for row in rows],
        schema={
            "item": pl.String,
            "modality": pl.Int64,
            "grader": pl.String,
            "grade": pl.String,
            "category": pl.String,
        },
        orient="row",
    )
    names = dict(enumerate(MODALITIES))
    return frame.with_columns(pl.col("modality").replace_strict(names, return_dtype=pl.String))


def _slots(connection: Connection) -> dict[str, dict[str, int]]:
    def number(state: State) -> Any:
        return func.coalesce(func.sum(case((slots.c.state == int(state), 1), else_=0)), 0)

    counts = (
        select(slots.c.modality, func.count(), number(State.DONE), number(State.LEASED))
        .join(items, items.c.id == slots.c.item_id)
        # Closed slots of samples that were not stopped are those that a pre-grader left out.
        .where(items.c.stopped_at.is_(None), slots.c.state != int(State.CLOSED))
        .group_by(slots.c.modality)
    )
    found = {name: {"wanted": 0, "done": 0, "leased": 0} for name in MODALITIES}
    for modality, wanted, done, leased in connection.execute(counts):
        found[MODALITIES[modality]] = {"wanted": wanted, "done": int(done), "leased": int(leased)}
    return found


def _graders(connection: Connection) -> dict[str, dict[str, Any]]:
    done = (
        select(grades.c.person_id, func.count(distinct(grades.c.id)).label("done"))
        .where(grades.c.live.is_(True))
        .group_by(grades.c.person_id)
        .subquery()
    )
    seen = (
        select(
            exposures.c.person_id,
            func.sum(exposures.c.seconds).label("seconds"),
            func.sum(exposures.c.hard).label("hard"),
        )
        .group_by(exposures.c.person_id)
        .subquery()
    )
    rows = connection.execute(
        select(people.c.name, done.c.done, seen.c.seconds, seen.c.hard)
        .outerjoin(done, done.c.person_id == people.c.id)
        .outerjoin(seen, seen.c.person_id == people.c.id)
        .where(people.c.role == "grader")
        .order_by(people.c.name)
    )
    return {
        row.name: {
            "done": row.done or 0,
            "minutes": round((row.seconds or 0) / 60, 1),
            "exposed": int(row.hard or 0),
        }
        for row in rows
    }


def _agreement(frame: pl.DataFrame, modalities: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for modality in modalities:
        # Without the category: the analysis takes it for the item's, and graders differ in it.
        part = frame.filter(pl.col("modality") == modality).drop("category")
        found[modality] = {"alpha": UNDEFINED, "ac2": UNDEFINED}
        if part["item"].is_duplicated().any():
            overall: Any = grader_agreement(
                part, split=0, replicates=_REPLICATES, references=False
            )["overall"]
            found[modality] = {
                "alpha": overall["krippendorff_alpha_ordinal"],
                "ac2": overall["gwet_ac2"],
            }
    return found
