"""What adjudicators do with a project: cases, decisions, notes on the policy."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Sequence

from vlsu.annotate.projects.opened import Opened
from vlsu.annotate.work import adjudicating, cases, notes
from vlsu.annotate.work.cases import Case, Decision
from vlsu.annotate.work.leases import Shown
from vlsu.annotate.work.notes import Opening, Touched

__all__ = ["Deciding"]

#: Seconds for which adding a note opens grades again before it answers.
_OPENING_S = 2.0


class Deciding(Opened):
    """The adjudicators' part of `vlsu.annotate.projects.project.Project`."""

    def next_case(self, person: int, *, holds: Collection[int] = ()) -> Case | None:
        """The next dispute of an adjudicator; see `vlsu.annotate.work.cases.next_case`."""
        return self.write(lambda c, now: cases.next_case(c, self.plan, person, now, holds=holds))

    def open_disputes(self) -> int:
        """How many disputes are open."""
        with self.database.read() as connection:
            return cases.open_disputes(connection)

    def extend_cases(self, person: int, held: Sequence[int]) -> list[int]:
        """Heartbeat of an adjudicator's page; the disputes that are still theirs."""
        return self.write(lambda c, now: cases.extend_cases(c, self.plan, person, now, held))

    def case_shown_to(self, person: int, dispute: int, token: str) -> Shown | None:
        """What a case shows the adjudicator who has its lease; `None` if it is over."""
        with self.database.read() as connection:
            return cases.case_shown_to(connection, person, dispute, token, self.clock())

    def decide(
        self,
        person: int,
        dispute: int,
        grade: str,
        category: str | None,
        reason: str,
        *,
        contested: bool = False,
        seconds: float = 0,
    ) -> bool:
        """Decide a dispute, or revise that; see `vlsu.annotate.work.adjudicating.decide`."""
        return self.write(
            lambda c, now: adjudicating.decide(
                c,
                self.policy,
                person,
                dispute,
                now,
                grade=grade,
                category=category,
                contested=contested,
                reason=reason,
                seconds=seconds,
            )
        )

    def skip_case(self, person: int, dispute: int, *, seconds: float = 0) -> None:
        """Leave a case to another adjudicator."""
        self.write(lambda c, now: adjudicating.skip_case(c, person, dispute, now, seconds=seconds))

    def stop_case(self, person: int, dispute: int, kind: str, *, seconds: float = 0) -> list[int]:
        """Take the item of a case that may be illegal, or is a threat, from everybody."""
        return self.write(
            lambda c, now: adjudicating.stop_case(c, person, dispute, kind, now, seconds=seconds)
        )

    def decided_by(self, person: int) -> list[Decision]:
        """The decisions of an adjudicator, the latest first."""
        with self.database.read() as connection:
            return cases.decided_by(connection, person)

    def open_again(self, person: int, dispute: int) -> Case:
        """Put a case that an adjudicator has decided before them again."""
        return self.write(lambda c, now: cases.open_again(c, self.plan, person, dispute, now))

    # Policy notes

    def policy_notes(self) -> list[dict[str, object]]:
        """Notes on the policy, the first first; see `vlsu.annotate.work.notes.notes`."""
        with self.database.read() as connection:
            return notes.notes(connection)

    def touched(self, opening: Opening, *, dispute: int | None = None) -> Touched:
        """What opening grades again would touch, before it is done."""
        with self.database.read() as connection:
            return notes.touched(connection, opening, dispute)

    def add_note(
        self,
        person: int,
        text: str,
        *,
        category: str | None = None,
        dispute: int | None = None,
        opening: Opening | None = None,
    ) -> dict[str, object]:
        """Add a note to the policy, and open again what it touches; the note.

        The note is one transaction, and some grades at a time are others, so that graders go on
        meanwhile. What is left after `_OPENING_S` seconds, or when a server ends, is left to
        `sweep`.
        """
        number = self.write(
            lambda c, now: notes.add_note(
                c,
                self.policy,
                person,
                now,
                text=text,
                category=category,
                dispute=dispute,
                opening=opening,
            )
        )
        self.open_what_notes_touch(seconds=_OPENING_S)
        return next(note for note in self.policy_notes() if note["id"] == number)

    def open_what_notes_touch(self, *, seconds: float = math.inf) -> None:
        """Open again what notes touch and is not opened yet.

        Args:
            seconds: After which no more is begun.
        """
        with self.database.read() as connection:
            after = 0 if notes.pending(connection) else None
        end = time.monotonic() + seconds
        while after is not None and time.monotonic() < end:
            reached = after
            after = self.write(lambda c, now: notes.open_some(c, self.plan, now, reached))  # noqa: B023
