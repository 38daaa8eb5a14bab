"""The frames that quality is computed from, read from a project's database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl
from sqlalchemy import Connection, Select, case, select

from vlsu.annotate.store.tables import bins, checks, gold, grades, items, people
from vlsu.annotate.work.importing import was_imported
from vlsu.policy import MODALITIES

__all__ = ["Work", "read_work"]

_ANSWER: dict[str, Any] = {
    "item": pl.String,
    "modality": pl.String,
    "grader": pl.String,
    "grade": pl.String,
    "category": pl.String,
    "seconds": pl.Float64,
    "at": pl.Int64,
}


@dataclass(frozen=True, slots=True)
class Work:
    """What graders did; `grader` is a pseudonym everywhere, and `people` alone has names.

    Attributes:
        grades: The grades that count: `item`, `modality`, `grader`, `grade`, `category`, `seconds`,
            `at` (milliseconds) and `stratum`, in the order in which they were given. Seconds are
            null where a grade was imported without.
        known: Answers to known items: as `grades`, with `kind` (``training`` or ``gold``) and
            `truth`.
        repeats: Answers to repeats: as `grades`, with `before`, the grade that was repeated.
        people: Graders: `grader`, `name`, `paused` and `trained` (`None` before, or where there was
            no training).
    """

    grades: pl.DataFrame
    known: pl.DataFrame
    repeats: pl.DataFrame
    people: pl.DataFrame


def read_work(connection: Connection) -> Work:
    """Read what graders did; samples that were stopped, and answers taken back, are left out."""
    # Grades that were imported without a time were not given in none.
    seconds = case((was_imported() & (grades.c.seconds == 0), None), else_=grades.c.seconds)
    of_grades = (
        select(
            *(items.c.sample_id, grades.c.modality, people.c.pseudonym, grades.c.grade),
            *(grades.c.category, seconds, grades.c.given_at, bins.c.stratum),
        )
        .join(items, items.c.id == grades.c.item_id)
        .join(bins, bins.c.id == items.c.bin)
        .join(people, people.c.id == grades.c.person_id)
        .where(grades.c.live.is_(True), items.c.stopped_at.is_(None))
        .order_by(grades.c.id)
    )
    of_checks = (
        select(
            *(items.c.sample_id, checks.c.modality, people.c.pseudonym, checks.c.grade),
            *(checks.c.category, checks.c.seconds, checks.c.answered_at),
        )
        .join(items, items.c.id == checks.c.item_id)
        .join(people, people.c.id == checks.c.person_id)
        .where(
            checks.c.live.is_(True),
            checks.c.answered_at.is_not(None),
            items.c.stopped_at.is_(None),
        )
        .order_by(checks.c.answered_at, checks.c.id)
    )
    of_known = (
        of_checks.add_columns(checks.c.kind, gold.c.grade)
        .join(gold, (gold.c.item_id == checks.c.item_id) & (gold.c.modality == checks.c.modality))
        .where(checks.c.kind != "repeat")
    )
    of_repeats = (
        of_checks.add_columns(grades.c.grade)
        .join(grades, grades.c.id == checks.c.grade_id)
        .where(checks.c.kind == "repeat")
    )
    of_people = (
        select(people.c.pseudonym, people.c.name, people.c.paused_at, people.c.training_passed)
        .where(people.c.role == "grader")
        .order_by(people.c.name)
    )
    more = {"kind": pl.String, "truth": pl.String}
    about = {"grader": pl.String, "name": pl.String, "paused": pl.Int64, "trained": pl.Boolean}
    return Work(
        grades=_frame(connection, of_grades, _ANSWER | {"stratum": pl.String}),
        known=_frame(connection, of_known, _ANSWER | more),
        repeats=_frame(connection, of_repeats, _ANSWER | {"before": pl.String}),
        people=_frame(connection, of_people, about).with_columns(pl.col("paused").is_not_null()),
    )


def _frame(connection: Connection, statement: Select[Any], schema: dict[str, Any]) -> pl.DataFrame:
    numbers = {"modality": pl.Int64} if "modality" in schema else {}
    rows = [tuple(row) for row in connection.execute(statement)]
    frame = pl.DataFrame(rows, schema=schema | numbers, orient="row")
    if not numbers:
        return frame
    names = dict(enumerate(MODALITIES))
    return frame.with_columns(pl.col("modality").replace_strict(names, return_dtype=pl.String))
