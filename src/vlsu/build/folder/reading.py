"""Reading the records of a build."""

from __future__ import annotations

import sqlite3
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from vlsu.build.folder.records import ANOTHER_KEPT, REFILL, STAGES, Decision, Record, Try
from vlsu.build.plan.cells import Cell
from vlsu.build.plan.progress import Count
from vlsu.errors import BuildError
from vlsu.policy import Pattern

__all__ = ["Calls", "Reader", "State"]

#: Of each record the decision that holds: giving up is final, so the lower of the two.
_STATE = "(SELECT min(kept) FROM decisions WHERE decisions.key = records.key)"
#: Whether a pre-grade was kept although its grades are not those of its cell.
_OFF_TARGET = (
    "(SELECT json_extract(CAST(about AS TEXT), '$.on_target') = 0 FROM decisions"
    " WHERE decisions.key = records.key AND kept = 1) IS 1"
)
#: Tries without an outcome whose subject is still there.
_OPEN = (
    " AND key NOT IN (SELECT key FROM outcomes) AND NOT EXISTS"
    " (SELECT 1 FROM decisions WHERE decisions.key = tries.subject AND kept = 0)"
)
_COLUMNS = "stage, pattern, category, language, content, provenance, parent"


class Calls(NamedTuple):
    """Calls of models over all stages.

    Attributes:
        number: Each request once, however often it was looked up.
        cost: Of those with a known price.
        unpriced: Calls without one.
    """

    number: int
    cost: float
    unpriced: int


class State(NamedTuple):
    """A record without what it holds.

    Attributes:
        key: Of the record; likewise `parent`, `None` of a concept.
        kept: Whether it is kept or given up; `None` while that is not decided.
    """

    key: str
    parent: str | None
    cell: Cell
    kept: bool | None


class Reader:
    """The part of a `Store` that changes nothing."""

    path: Path
    _connection: sqlite3.Connection

    def tries(self, stage: str, *, open_only: bool = False) -> list[Try]:
        """The tries of a stage in order, or those of them that are still to be made.

        Those have no outcome yet, and what they work on was not given up since: nothing could be
        made out of an image that was taken down.
        """
        which = _OPEN if open_only else ""
        rows = self._read(
            "SELECT pattern, category, language, subject, number FROM tries"  # noqa: S608
            f" WHERE stage = ?{which} ORDER BY id",
            (stage,),
        )
        return [
            Try(stage, _cell(pattern, category, language), subject, number)
            for pattern, category, language, subject, number in rows
        ]

    def stages_planned(self) -> list[str]:
        """Stages of which a try was planned, that of the try planned last at the end."""
        rows = self._read("SELECT stage FROM tries GROUP BY stage ORDER BY max(id)")
        return [stage for (stage,) in rows]

    def outcomes(self, stage: str) -> dict[str, dict[str, Any]]:
        """Key of a try -> what came of it, in the order of the tries."""
        rows = self._read(
            "SELECT outcomes.key, about FROM outcomes JOIN tries ON tries.key = outcomes.key"
            " WHERE stage = ? ORDER BY tries.id",
            (stage,),
        )
        return {key: orjson.loads(about) for key, about in rows}

    def decisions(self, stage: str) -> dict[str, Decision]:
        """Key of a record of a stage -> the decision on it that holds."""
        rows = self._read(
            "SELECT records.key, kept, reason, about FROM records JOIN decisions"
            " ON decisions.key = records.key WHERE stage = ? ORDER BY records.id, kept DESC",
            (stage,),
        )
        return {
            key: Decision(key, bool(kept), reason, orjson.loads(about))
            for key, kept, reason, about in rows
        }

    def children(self, key: str) -> list[Record]:
        """The records that were made out of a record, in order."""
        rows = self._read(
            f"SELECT {_COLUMNS} FROM records WHERE parent = ? ORDER BY id",  # noqa: S608
            (key,),
        )
        return [_record(row) for row in rows]

    def kept(self, key: str) -> bool | None:
        """Whether a record is kept or given up; `None` while that is not decided."""
        query = "SELECT min(kept) FROM decisions WHERE key = ?"
        (state,) = self._read(query, (key,))[0]
        return None if state is None else bool(state)

    def record(self, key: str) -> Record:
        """The record of a key.

        Raises:
            BuildError: There is none.
        """
        rows = self._read(f"SELECT {_COLUMNS} FROM records WHERE key = ?", (key,))  # noqa: S608
        if not rows:
            raise BuildError(f"{self.path}: no record has the key {key[:12]}")
        return _record(rows[0])

    def records(self, stage: str, *, kept: bool | None) -> list[Record]:
        """The records of a stage that are kept, given up, or (`None`) not decided yet, in order."""
        rows = self._read(
            f"SELECT {_COLUMNS} FROM records WHERE stage = ? AND {_STATE} IS ? ORDER BY id",  # noqa: S608
            (stage, kept if kept is None else int(kept)),
        )
        return [_record(row) for row in rows]

    def states(self, stage: str) -> list[State]:
        """All records of a stage in order, without what they hold: quick where there are many."""
        rows = self._read(
            f"SELECT key, parent, pattern, category, language, {_STATE} FROM records"  # noqa: S608
            " WHERE stage = ? ORDER BY id",
            (stage,),
        )
        return [
            State(key, parent, _cell(*cell), None if kept is None else bool(kept))
            for key, parent, *cell, kept in rows
        ]

    def chain(self, key: str) -> dict[str, Record]:
        """Stage -> record, from the concept to the record of a key."""
        found: list[Record] = []
        following: str | None = key
        while following is not None:
            found.append(self.record(following))
            following = found[-1].parent
        return {record.stage: record for record in reversed(found)}

    def counts(self) -> dict[Cell, Count]:
        """What each cell has; nothing is wanted of it here.

        A candidate in whose place another one was kept is no loss, and no try of its own.
        """
        rows = self._read(
            "SELECT pattern, category, language, stage,"  # noqa: S608
            f" {_STATE} AS state,"
            " (SELECT reason FROM decisions WHERE decisions.key = records.key AND kept = 0),"
            f" {_OFF_TARGET}, count(*) FROM records GROUP BY 1, 2, 3, 4, 5, 6, 7"
        )
        have: dict[Cell, int] = {}
        waiting: dict[Cell, int] = {}
        lost: dict[Cell, dict[str, int]] = {}
        reasons: dict[Cell, dict[str, int]] = {}
        for pattern, category, language, stage, state, reason, off_target, number in rows:
            cell = _cell(pattern, category, language)
            have.setdefault(cell, 0)
            if state == 0 and reason == ANOTHER_KEPT:
                continue
            if state == 0:
                _count(lost.setdefault(cell, {}), stage, number)
                _count(reasons.setdefault(cell, {}), reason, number)
            elif state is None:
                _count(waiting, cell, number)
            elif stage == STAGES[-1] and not off_target:
                have[cell] += number
        return {
            cell: Count(
                have=number,
                lost={s: n for s in STAGES if (n := lost.get(cell, {}).get(s))},
                open=waiting.get(cell, 0),
                reasons=reasons.get(cell, {}),
            )
            for cell, number in have.items()
        }

    def refills(self) -> int:
        """How often samples of full cells were given up to be replaced."""
        (number,) = self._read(
            f"SELECT max(json_extract(CAST(about AS TEXT), '$.{REFILL}')) FROM decisions"  # noqa: S608
            " WHERE kept = 0"
        )[0]
        return number or 0

    def span(self) -> tuple[float, float] | None:
        """When the first and the last record were made, in seconds of Unix time."""
        first, last = self._read("SELECT min(made), max(made) FROM records")[0]
        return None if first is None else (first, last)

    def calls(self) -> Calls:
        """Calls of models so far."""
        query = "SELECT count(*), total(cost), count(*) - count(cost) FROM calls"
        return Calls(*self._read(query)[0])

    def calls_by_stage(self) -> dict[str, Calls]:
        """Stage -> its calls, in the order of the stages."""
        query = (
            "SELECT stage, count(*), total(cost), count(*) - count(cost) FROM calls GROUP BY stage"
        )
        found = {stage: Calls(*numbers) for stage, *numbers in self._read(query)}
        return {stage: found.get(stage, Calls(0, 0.0, 0)) for stage in STAGES}

    def fates(self, stage: str) -> tuple[int, dict[str, int], int]:
        """Of a stage, the records kept, given up (reason -> number), and not decided yet."""
        rows = self._read(
            f"SELECT {_STATE} AS state,"  # noqa: S608
            " (SELECT reason FROM decisions WHERE decisions.key = records.key AND kept = 0),"
            " count(*) FROM records WHERE stage = ? GROUP BY 1, 2 ORDER BY 3 DESC, 2",
            (stage,),
        )
        lost = {reason: number for state, reason, number in rows if state == 0}
        kept, undecided = (
            sum(number for state, _, number in rows if state == wanted) for wanted in (1, None)
        )
        return kept, lost, undecided

    def work(self, stage: str) -> tuple[int, float]:
        """How often a stage was started, and the seconds this took in all."""
        starts, seconds = self._read(
            "SELECT count(*), total(seconds) FROM work WHERE stage = ?", (stage,)
        )[0]
        return starts, seconds

    def prompts(self) -> dict[str, tuple[str, str]]:
        """Hash -> name and text."""
        rows = self._read("SELECT hash, name, text FROM prompts ORDER BY name, hash")
        return {key: (name, text) for key, name, text in rows}

    def _read(self, query: str, values: tuple[object, ...] = ()) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._as_build_error(error) from None

    def _as_build_error(self, error: sqlite3.Error) -> BuildError:
        return BuildError(f"{self.path}: {error}; is it a build's database, and the disk sound?")


@cache
def _cell(pattern: str, category: str | None, language: str) -> Cell:
    return Cell(Pattern.parse(pattern), category, language)


def _count(counts: dict[Any, int], name: object, number: int) -> None:
    counts[name] = counts.get(name, 0) + number


def _record(row: tuple[Any, ...]) -> Record:
    stage, pattern, category, language, content, provenance, parent = row
    return Record(
        stage=stage,
        cell=_cell(pattern, category, language),
        content=orjson.loads(content),
        provenance=orjson.loads(provenance),
        parent=parent,
    )
