"""Those who work on a project: invited, joined, agreed, paused, opted out."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.states import State, is_state
from vlsu.annotate.store.tables import (
    bins,
    grades,
    opt_outs,
    people,
    slots,
)
from vlsu.annotate.work.check_rows import release_checks
from vlsu.annotate.work.days import DAY_MS
from vlsu.annotate.work.leasing import locked_person
from vlsu.annotate.work.records import add_tally, insert_into, log
from vlsu.annotate.work.seats import exclude, lock_items, release_seats, reopen_seats
from vlsu.annotate.work.sessions import close_sessions, token_hash
from vlsu.annotate.work.units import close_dispute
from vlsu.errors import AnnotationError

__all__ = [
    "ROLES",
    "Invitation",
    "agree",
    "invite",
    "invited_as",
    "join",
    "new_pseudonym",
    "opt_in",
    "opt_out",
    "pause",
    "resume",
    "set_aside",
]

ROLES = ("grader", "adjudicator", "lead")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
#: How long an invitation can be used.
INVITATION_MS = 14 * DAY_MS


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation, whose token is nowhere else: the database has its hash.

    Attributes:
        person: Number of the person.
        token: Works once.
    """

    person: int
    token: str


def invite(
    connection: Connection,
    name: str,
    role: str,
    now: int,
    *,
    languages: Collection[str] = (),
    end_sessions: bool = False,
    by: int | None = None,
) -> Invitation:
    """Invite somebody, or give them a new invitation in the place of their last.

    Args:
        connection: In a transaction that writes.
        name: What the lead calls them.
        role: One of `ROLES`.
        now: Milliseconds.
        languages: Those they read, such as ``"en"``, which stands for ``"en-GB"``, too; texts in
            others are not offered. All if none is given.
        end_sessions: Whether somebody who was invited before is signed out everywhere, and their
            password forgotten: the new link is then the only way in.
        by: The lead; `None` for a command of the machine.

    Raises:
        AnnotationError: The name is taken by another role or is no name, or a language is no code.
    """
    if role not in ROLES:
        raise AnnotationError(f"--role {role[:40]!r}: give {', '.join(ROLES)}")
    shown = " ".join(name.split())
    if not shown or len(shown) > 80 or not shown.isprintable():
        raise AnnotationError(f"--name {name[:40]!r}: give a name of at most 80 characters")
    read = sorted({language.strip().lower() for language in languages})
    if unknown := [each for each in read if not _LANGUAGE.fullmatch(each)]:
        raise AnnotationError(f"--language {unknown[0][:40]!r}: write a code such as en or de")
    token = secrets.token_urlsafe(32)
    fresh = {"invitation_hash": token_hash(token), "invitation_expires_at": now + INVITATION_MS}
    known = connection.execute(select(people).where(people.c.name == shown)).first()
    if known is not None:
        if known.role != role:
            raise AnnotationError(f"--name {shown}: is {known.role} already; choose another name")
        told = {"languages": ",".join(read)} if read else {}
        connection.execute(update(people).where(people.c.id == known.id).values(**fresh, **told))
        if end_sessions:
            connection.execute(
                update(people).where(people.c.id == known.id).values(password_hash=None)
            )
            close_sessions(connection, known.id)
        ended = ", sessions ended" if end_sessions else ""
        log(connection, now, by, "invite", f"person {known.id} again{ended}")
        return Invitation(known.id, token)
    row = {"name": shown, "pseudonym": new_pseudonym(connection), "role": role, **fresh}
    row["languages"] = ",".join(read) or None
    statement = insert(people).values(**row).returning(people.c.id)
    person: int = connection.execute(statement).scalar_one()
    log(connection, now, by, "invite", f"person {person} as {role}")
    return Invitation(person, token)


def invited_as(connection: Connection, token: str, now: int) -> str | None:
    """The role of an invitation that can be used; `None` if it is unknown, used or too old."""
    found: str | None = connection.scalar(
        select(people.c.role).where(
            people.c.invitation_hash == token_hash(token), people.c.invitation_expires_at >= now
        )
    )
    return found


def join(connection: Connection, token: str, now: int) -> int:
    """Accept an invitation; the number of the person.

    Raises:
        AnnotationError: It is unknown, was used, or is too old.
    """
    found = connection.execute(
        update(people)
        .where(people.c.invitation_hash == token_hash(token), people.c.invitation_expires_at >= now)
        .values(invitation_hash=None, joined_at=func.coalesce(people.c.joined_at, now))
        .returning(people.c.id)
    ).first()
    if found is None:
        raise AnnotationError("this invitation was used or is too old; ask for a new one")
    log(connection, now, found.id, "join")
    return int(found.id)


def agree(connection: Connection, person_id: int, now: int, *, adult: bool, version: str) -> None:
    """Record that somebody is of age and has consented to the work, having read what it is.

    Args:
        connection: In a transaction that writes.
        person_id: Who.
        now: Milliseconds.
        adult: Whether they say that they are.
        version: Of the text that they agreed to.

    Raises:
        AnnotationError: They are not of age.
    """
    if not adult:
        raise AnnotationError("only adults grade")
    connection.execute(
        update(people)
        .where(people.c.id == person_id)
        .values(adult=True, consented_at=now, consent_version=version)
    )
    log(connection, now, person_id, "agree", version)


def opt_out(connection: Connection, plan: Plan, person_id: int, stratum: str, now: int) -> None:
    """Never again offer somebody samples that were built for a stratum."""
    locked_person(connection, person_id)
    statement = insert_into(connection.dialect.name, opt_outs).values(
        person_id=person_id, stratum=stratum, since=now
    )
    new = connection.execute(statement.on_conflict_do_nothing().returning(opt_outs.c.since))
    if new.first() is None:
        return
    add_tally(connection, "opt_out", stratum)
    theirs = (
        select(slots.c.item_id)
        .join(bins, bins.c.id == slots.c.bin)
        .where(
            slots.c.owner_id == person_id,
            is_state(State.KEPT, State.LEASED),
            bins.c.stratum == stratum,
        )
    )
    release_seats(connection, plan, person_id, connection.scalars(theirs).all())
    release_checks(connection, plan, person_id, stratum=stratum)


def opt_in(connection: Connection, person_id: int, stratum: str) -> None:
    """Offer somebody samples of a stratum again."""
    locked_person(connection, person_id)
    connection.execute(
        delete(opt_outs).where(opt_outs.c.person_id == person_id, opt_outs.c.stratum == stratum)
    )


def pause(
    connection: Connection, plan: Plan, person_id: int, now: int, *, by: int | None = None
) -> None:
    """Give somebody no more items, and what they hold to others; their grades stay."""
    locked_person(connection, person_id)
    connection.execute(update(people).where(people.c.id == person_id).values(paused_at=now))
    held = select(slots.c.item_id).where(
        slots.c.owner_id == person_id, is_state(State.KEPT, State.LEASED)
    )
    release_seats(connection, plan, person_id, connection.scalars(held).all())
    release_checks(connection, plan, person_id)
    log(connection, now, by, "pause", f"person {person_id}")


def resume(connection: Connection, person_id: int, now: int, *, by: int | None = None) -> None:
    """Give somebody items again."""
    locked_person(connection, person_id)
    connection.execute(update(people).where(people.c.id == person_id).values(paused_at=None))
    log(connection, now, by, "resume", f"person {person_id}")


def end_sessions(
    connection: Connection,
    person_id: int,
    now: int,
    *,
    by: int | None = None,
    but: str | None = None,
) -> int:
    """Sign somebody out everywhere; they need a new invitation to come back.

    Args:
        connection: In a transaction that writes.
        person_id: Who.
        now: Milliseconds.
        by: Who ends them; `None` for a command of the machine.
        but: Hash of the token of a session that stays, as does then their password.

    Returns:
        How many sessions there were.
    """
    locked_person(connection, person_id)
    if but is None:
        connection.execute(
            update(people).where(people.c.id == person_id).values(password_hash=None)
        )
    ended = close_sessions(connection, person_id, but=but)
    log(connection, now, by, "end_sessions", f"person {person_id}: {ended}")
    return ended


def set_aside(
    connection: Connection, plan: Plan, person_id: int, now: int, *, by: int | None = None
) -> int:
    """Have the grades of a paused person count no longer, and others grade in their place.

    The grades stay stored, and are exported as set aside. The person is not offered these samples
    again.

    Returns:
        How many grades were set aside.

    Raises:
        AnnotationError: The person is not paused.
    """
    person = locked_person(connection, person_id)
    if person.paused_at is None:
        raise AnnotationError("only grades of somebody who is paused are set aside; pause first")
    live = select(grades.c.item_id, grades.c.modality).where(
        grades.c.person_id == person_id, grades.c.live.is_(True)
    )
    units = sorted({tuple(row) for row in connection.execute(live)})
    lock_items(connection, (item for item, _ in units))
    for item, modality in units:
        close_dispute(connection, item, modality, "reopened", now)
    done = connection.execute(
        update(grades)
        .where(grades.c.person_id == person_id, grades.c.live.is_(True))
        .values(live=None, withdrawn_at=now, withdrawn_as="set_aside")
    )
    for item in sorted({item for item, _ in units}):
        exclude(connection, person_id, item, "set_aside", now)
    reopen_seats(connection, plan, person_id, {item for item, _ in units})
    log(connection, now, by, "set_aside", f"person {person_id}: {done.rowcount} grades")
    return done.rowcount


def new_pseudonym(connection: Connection) -> str:
    """A name that tells neither who it is nor in which order they came."""
    while True:
        made = f"g-{secrets.token_hex(3)}"
        if connection.scalar(select(people.c.id).where(people.c.pseudonym == made)) is None:
            return made
