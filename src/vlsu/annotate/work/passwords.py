"""Passwords, for those who want to come back without a new invitation.

Hashed with Argon2id (RFC 9106) by argon2-cffi, with its defaults. Hashing takes tens of
milliseconds and 64 MiB, so it is done outside transactions, and two at a time.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, select, update

from vlsu.annotate.store.tables import people
from vlsu.annotate.work.records import log
from vlsu.annotate.work.sessions import close_sessions, open_session
from vlsu.errors import MachineError, UsageError

__all__ = [
    "LEAST",
    "LONGEST",
    "check_password",
    "forget_password",
    "hash_of",
    "hashed",
    "known_hash",
    "matches",
    "refuse_sign_in",
    "set_password",
    "sign_in",
]

#: Characters of a password (NIST SP 800-63B-4 asks for 15 where it is the only factor and does not
#: ask for kinds of characters; here the number of attempts is limited as well).
LEAST, LONGEST = 12, 256
_DIFFERENT = 5
_HASHER = PasswordHasher()
_AT_ONCE = threading.BoundedSemaphore(2)
_PATIENCE_S = 10.0


def check_password(password: str, name: str) -> str:
    """A password as it is hashed, if it can be one.

    Args:
        password: What was typed.
        name: Of the person.

    Raises:
        UsageError: It is short, very long, of few different characters, or holds the name.
    """
    text = _normal(password)
    if not LEAST <= len(text) <= LONGEST:
        raise UsageError(f"password: give {LEAST} to {LONGEST} characters")
    plain = text.casefold()
    if len(set(plain)) < _DIFFERENT or (
        name.casefold() in plain and len(plain) < len(name) + LEAST
    ):
        raise UsageError("password: it is easy to guess; choose another")
    return text


def hashed(password: str) -> str:
    """The hash of a password.

    Raises:
        MachineError: Too many are hashed at the moment.
    """
    with _turn():
        return _HASHER.hash(_bytes(password))


def matches(known: str | None, password: str) -> bool:
    """Whether a password is the one of a hash; as long as that takes, also where there is none.

    Raises:
        MachineError: Too many are hashed at the moment.
    """
    with _turn():
        try:
            return _HASHER.verify(known or _nobodys(), _bytes(password)) and known is not None
        except (VerificationError, InvalidHashError):
            return False


def known_hash(connection: Connection, name: str) -> tuple[int | None, str | None]:
    """The number and the password's hash of whoever has a name; `None` where there is none."""
    row = connection.execute(
        select(people.c.id, people.c.password_hash).where(people.c.name == " ".join(name.split()))
    ).first()
    return (None, None) if row is None else (row.id, row.password_hash)


def set_password(
    connection: Connection, person_id: int, new: str, now: int, *, session: str
) -> None:
    """Give somebody a password, and end their other sessions.

    Args:
        connection: In a transaction that writes.
        person_id: Who.
        new: The hash.
        now: Milliseconds.
        session: Hash of the token of the session that stays.
    """
    connection.execute(update(people).where(people.c.id == person_id).values(password_hash=new))
    close_sessions(connection, person_id, but=session)
    log(connection, now, person_id, "set_password")


def forget_password(connection: Connection, person_id: int, now: int) -> None:
    """Take somebody's password away: they come back by an invitation alone."""
    connection.execute(update(people).where(people.c.id == person_id).values(password_hash=None))
    log(connection, now, person_id, "forget_password")


def hash_of(connection: Connection, person_id: int) -> str | None:
    """The hash of somebody's password; `None` if they have none."""
    found: str | None = connection.scalar(
        select(people.c.password_hash).where(people.c.id == person_id)
    )
    return found


def sign_in(connection: Connection, person_id: int, known: str, now: int) -> str | None:
    """Begin a session of somebody whose password matched; its token.

    Args:
        connection: In a transaction that writes.
        person_id: Who.
        known: The hash that it matched.
        now: Milliseconds.

    Returns:
        `None` if the password was changed meanwhile.
    """
    same = connection.execute(
        select(people.c.id).where(people.c.id == person_id, people.c.password_hash == known)
    ).first()
    if same is None:
        return None
    log(connection, now, person_id, "sign_in", "password")
    return open_session(connection, person_id, now)


def refuse_sign_in(connection: Connection, person_id: int | None, now: int) -> None:
    """Record an attempt that failed; whose name it was, if anybody's."""
    subject = "an unknown name" if person_id is None else f"person {person_id}"
    log(connection, now, None, "sign_in_failed", subject)


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)


def _bytes(password: str) -> bytes:
    return _normal(password)[: 2 * LONGEST].encode("utf-8", "surrogatepass")


@cache
def _nobodys() -> str:
    """A hash that nothing is compared with in earnest."""
    return _HASHER.hash(b"nobody")


@contextmanager
def _turn() -> Iterator[None]:
    if not _AT_ONCE.acquire(timeout=_PATIENCE_S):
        raise MachineError("too many people sign in at the moment; try again")
    try:
        yield
    finally:
        _AT_ONCE.release()
