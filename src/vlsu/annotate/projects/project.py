"""An opened project: what a web layer, a command or a notebook talks to."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, inspect, select

from vlsu.annotate.plan.answers import Answer
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.projects.deciding import Deciding
from vlsu.annotate.projects.folder import POLICY_FILE, Record, read
from vlsu.annotate.projects.passwords import Passwords
from vlsu.annotate.store.database import Database, shown
from vlsu.annotate.store.tables import exclusions, meta, opt_outs, sightings
from vlsu.annotate.work import (
    answering,
    care,
    check_answers,
    holding,
    leases,
    leasing,
    people,
    progress,
    seats,
    sessions,
    stopped,
    stopping,
)
from vlsu.annotate.work.answering import Receipt
from vlsu.annotate.work.leases import CHECK, Held, Lease, Shown
from vlsu.annotate.work.leasing import Nothing
from vlsu.annotate.work.people import Invitation
from vlsu.annotate.work.progress import Progress
from vlsu.data import Dataset, load
from vlsu.errors import AnnotationError
from vlsu.policy import Policy, load_policy

__all__ = ["Project", "open_project"]

H = TypeVar("H", bound=int | Held)


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


class Project(Deciding, Passwords):
    """A project's plan, policy and database; each method is one transaction.

    Attributes:
        folder: Its folder.
        record: What ``project.yaml`` says.
        plan: Who grades what.
        policy: What is graded by.
        database: Where slots and grades are.
        swept_at: When it was last swept by this process, in milliseconds; `None` for never.
    """

    def __init__(
        self,
        folder: Path,
        record: Record,
        policy: Policy,
        database: Database,
        clock: Callable[[], int] = _milliseconds,
    ) -> None:
        self.folder = folder
        self.record = record
        self.plan: Plan = record.plan
        self.policy = policy
        self.database = database
        self.clock = clock
        self.swept_at: int | None = None

    def close(self) -> None:
        """Close its database."""
        self.database.close()

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def dataset(self) -> Dataset:
        """What is graded.

        Raises:
            VlsuError: It is gone, or has changed.
        """
        dataset = load(self.record.dataset)
        if dataset.info.content_hash != self.record.content_hash:
            raise AnnotationError(
                f"{self.record.dataset}: has changed since the project was made; its grades are "
                "for other content"
            )
        return dataset

    # Graders

    def next_item(self, person: int, *, holds: Iterable[int | Held] = ()) -> Lease | Nothing:
        """The next item of a grader; see `vlsu.annotate.work.leasing.next_item`."""
        holds = tuple(holds)
        return self.write(lambda c, now: leasing.next_item(c, self.plan, person, now, holds=holds))

    def extend_leases(self, person: int, held: Sequence[H]) -> list[H]:
        """Heartbeat of a page; what is still the grader's."""
        return self.write(lambda c, now: holding.extend_leases(c, self.plan, person, now, held))

    def submit(self, person: int, answer: Answer) -> Receipt:
        """Store an answer; see `vlsu.annotate.work.answering.submit`."""
        submit = check_answers.submit_check if answer.kind == CHECK else answering.submit
        return self.write(lambda c, now: submit(c, self.plan, self.policy, person, answer, now))

    def take_back(self, person: int) -> Lease:
        """Take a grader's last answer back."""

        def take_back(connection: Connection, now: int) -> Lease:
            leasing.locked_person(connection, person)
            last = check_answers.last_check(connection, person)
            if last is None:
                return answering.take_back(connection, self.plan, person, now)
            return check_answers.take_back_check(connection, self.plan, person, last, now)

        return self.write(take_back)

    def skip(self, person: int, lease: Held, *, seconds: float = 0) -> None:
        """Leave an item to others."""

        def skip(connection: Connection, now: int) -> None:
            if lease.kind == CHECK:
                check_answers.skip_check(connection, self.plan, person, lease, now, seconds)
            else:
                slot, token = lease.slot, lease.token
                answering.skip(connection, self.plan, person, slot, token, now, seconds)

        self.write(skip)

    def stop(self, person: int, lease: Held, kind: str, *, seconds: float = 0) -> list[int]:
        """Take an item that may be illegal, or is a threat, from everybody."""
        return self.write(lambda c, now: stopping.stop(c, person, lease, kind, now, seconds))

    def shown_to(self, person: int, lease: Held) -> Shown | None:
        """What a lease shows a grader; `None` if it is over."""
        with self.database.read() as connection:
            return leases.shown_to(connection, person, lease, self.clock())

    def progress_of(self, person: int) -> Progress:
        """What a grader has done, and by which policy they grade now."""
        with self.database.read() as connection:
            return progress.progress_of(connection, person, self.clock())

    def opt_out(self, person: int, stratum: str) -> None:
        """Never offer a grader samples that were built for a stratum."""
        self.write(lambda c, now: people.opt_out(c, self.plan, person, stratum, now))

    def opt_in(self, person: int, stratum: str) -> None:
        """Offer them again."""
        self.write(lambda c, _: people.opt_in(c, person, stratum))

    # Care

    @property
    def officer(self) -> str:
        """Who is told of what may be illegal; empty if nobody is named."""
        return self.record.care.officer

    def break_due(self, person: int) -> bool:
        """Whether a break is to be offered to somebody."""
        with self.database.read() as connection:
            return care.break_due(connection, self.plan, person, self.clock())

    def start_break(self, person: int) -> None:
        """Begin a break."""
        self.write(lambda c, _: care.start_break(c, person))

    def set_utc_offset(self, person: int, minutes: int) -> bool:
        """Have somebody's day be that of their clock; see `vlsu.annotate.work.care`."""
        return self.write(lambda c, now: care.set_utc_offset(c, person, minutes, now))

    def exposure(self, person: int) -> care.Exposure:
        """What somebody has seen; for them alone."""
        with self.database.read() as connection:
            return care.exposure(connection, person, self.clock())

    def opted_out(self, person: int) -> frozenset[str]:
        """What somebody has opted out of; for them alone."""
        with self.database.read() as connection:
            return care.opted_out(connection, person)

    def skips_and_opt_outs(self) -> dict[str, dict[str, int]]:
        """Category -> how often it was skipped and opted out of, without names."""
        with self.database.read() as connection:
            return care.skips_and_opt_outs(connection)

    def health_data_until(self) -> int | None:
        """When opt-outs and skips are deleted, in milliseconds; `None` if that is not known."""
        with self.database.read() as connection:
            return care.health_data_until(connection, self.plan)

    def stop_taking_part(self, person: int) -> None:
        """Have somebody leave; what they hold goes to others."""
        self.write(lambda c, now: care.stop_taking_part(c, self.plan, person, now))

    def forget(self, *, at_once: bool = False) -> care.Forgotten | None:
        """Delete opt-outs and skips if their time has come, without a trace in the files."""
        until = None if at_once else self.health_data_until()
        if not at_once and (until is None or self.clock() < until):
            return None  # without a transaction that writes: a server asks each hour
        done = self.write(lambda c, now: care.forget(c, self.plan, now, at_once=at_once))
        if done is not None:
            self.database.purge(opt_outs.name, exclusions.name, sightings.name)
        return done

    # People

    def invite(
        self,
        name: str,
        role: str,
        *,
        languages: Collection[str] = (),
        end_sessions: bool = False,
        by: int | None = None,
    ) -> Invitation:
        """Invite somebody; see `vlsu.annotate.work.people.invite`."""
        return self.write(
            lambda c, now: people.invite(
                c, name, role, now, languages=languages, end_sessions=end_sessions, by=by
            )
        )

    def join(self, token: str) -> int:
        """Accept an invitation; the number of the person."""
        return self.write(lambda c, now: people.join(c, token, now))

    def invited_as(self, token: str) -> str | None:
        """The role of an invitation that can be used; `None` if there is none."""
        with self.database.read() as connection:
            return people.invited_as(connection, token, self.clock())

    def sign_in(self, token: str, *, consent: str | None) -> str:
        """Accept an invitation and begin a session; the session's token.

        Args:
            token: Of the invitation.
            consent: Version of the text that an adult has agreed to; `None` where none is needed.

        Raises:
            AnnotationError: The invitation is unknown, was used, or is too old.
        """

        def signed_in(connection: Connection, now: int) -> str:
            person = people.join(connection, token, now)
            if consent is not None:
                people.agree(connection, person, now, adult=True, version=consent)
            return sessions.open_session(connection, person, now)

        return self.write(signed_in)

    def sign_out(self, session: str) -> None:
        """End a session."""
        self.write(lambda c, now: sessions.sign_out(c, session, now))

    def agree(self, person: int, *, adult: bool, version: str) -> None:
        """Record consent and age."""
        self.write(lambda c, now: people.agree(c, person, now, adult=adult, version=version))

    def pause(self, person: int, *, by: int | None = None) -> None:
        """Give somebody no more items."""
        self.write(lambda c, now: people.pause(c, self.plan, person, now, by=by))

    def resume(self, person: int, *, by: int | None = None) -> None:
        """Give somebody items again."""
        self.write(lambda c, now: people.resume(c, person, now, by=by))

    def set_aside(self, person: int, *, by: int | None = None) -> int:
        """Have a paused person's grades count no longer; how many did."""
        return self.write(lambda c, now: people.set_aside(c, self.plan, person, now, by=by))

    def end_sessions(self, person: int, *, by: int | None = None, but: str | None = None) -> int:
        """Sign somebody out everywhere; see `vlsu.annotate.work.people.end_sessions`."""
        return self.write(lambda c, now: people.end_sessions(c, person, now, by=by, but=but))

    def report_stop(self, lead: int, stop: int, *, to: str, reference: str = "") -> None:
        """Record that a stopped item was reported; see `vlsu.annotate.work.stopped.report`."""
        self.write(lambda c, now: stopped.report(c, lead, stop, now, to=to, reference=reference))

    def lift_stop(self, lead: int, stop: int, reason: str) -> list[int]:
        """Put the samples of a false alarm back; see `vlsu.annotate.work.stopped.lift`."""
        return self.write(lambda c, now: stopped.lift(c, self.plan, lead, stop, reason, now))

    def sweep(self) -> int:
        """Put back what was leased and is overdue; a server does so every few seconds."""
        swept = 0
        while found := self.write(holding.sweep):
            swept += found
        self.open_what_notes_touch()
        self.swept_at = self.clock()
        return swept

    def release_absent(self) -> int:
        """Give to others what is kept for graders who have been away, until nothing is."""
        released = 0
        while found := self.write(lambda c, now: seats.release_absent(c, self.plan, now)):
            released += found
        return released


def open_project(
    folder: Path, *, connections: int = 10, clock: Callable[[], int] = _milliseconds
) -> Project:
    """Open a project, its database brought to this version's tables.

    Args:
        folder: Of the project.
        connections: To PostgreSQL, at most.
        clock: Milliseconds since 1970.

    Raises:
        VlsuError: It is no project, or its database cannot be used or is another project's.
    """
    record = read(folder)
    policy = load_policy((folder / POLICY_FILE).resolve())
    if policy.hash != record.policy.get("hash"):
        raise AnnotationError(
            f"{folder / POLICY_FILE}: was changed since the project was made; its grades are by "
            "the policy as it was"
        )
    database = Database(record.url(folder), connections=connections)
    try:
        if database.sqlite and not Path(str(database.url.database)).exists():
            raise AnnotationError(f"{database.url.database}: the database is gone; restore it")
        database.migrate()
        with database.read() as connection:
            whose = None
            if inspect(connection).has_table(meta.name):
                whose = connection.scalar(select(meta.c.value).where(meta.c.key == "project"))
        if whose != record.id:
            raise AnnotationError(f"{shown(database.url)}: is not the database of {folder}")
    except BaseException:
        database.close()
        raise
    return Project(folder, record, policy, database, clock)
