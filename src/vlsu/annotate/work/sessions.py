"""Sessions of those who are signed in; the database holds only hashes of their tokens."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select

from vlsu.annotate.store.tables import people, sessions
from vlsu.annotate.work.days import DAY_MS
from vlsu.annotate.work.records import log

__all__ = [
    "SESSION_MS",
    "close_session",
    "close_sessions",
    "open_session",
    "person_of",
    "sign_out",
    "token_hash",
]

#: How long a session lasts.
SESSION_MS = 14 * DAY_MS
_PERSON_OF = (
    select(people)
    .join(sessions, sessions.c.person_id == people.c.id)
    .where(sessions.c.token_hash == bindparam("hash"), sessions.c.expires_at >= bindparam("now"))
)


def token_hash(token: str) -> str:
    """What the database knows a token by."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def open_session(connection: Connection, person_id: int, now: int) -> str:
    """Begin a session; its token, which is nowhere else."""
    token = secrets.token_urlsafe(32)
    connection.execute(delete(sessions).where(sessions.c.expires_at < now))
    connection.execute(
        insert(sessions).values(
            token_hash=token_hash(token),
            person_id=person_id,
            made_at=now,
            expires_at=now + SESSION_MS,
        )
    )
    return token


def person_of(connection: Connection, token: str, now: int) -> Row[Any] | None:
    """The row of whoever has a session; `None` if it is unknown or over."""
    return connection.execute(_PERSON_OF, {"hash": token_hash(token), "now": now}).first()


def close_session(connection: Connection, token: str) -> int | None:
    """End a session; the number of whose it was."""
    found: int | None = connection.scalar(
        delete(sessions)
        .where(sessions.c.token_hash == token_hash(token))
        .returning(sessions.c.person_id)
    )
    return found


def close_sessions(connection: Connection, person_id: int, *, but: str | None = None) -> int:
    """End the sessions of a person, except for one whose token has a hash; how many."""
    ended = delete(sessions).where(sessions.c.person_id == person_id)
    if but is not None:
        ended = ended.where(sessions.c.token_hash != but)
    return connection.execute(ended).rowcount


def sign_out(connection: Connection, token: str, now: int) -> None:
    """End a session that somebody leaves."""
    if (person := close_session(connection, token)) is not None:
        log(connection, now, person, "sign_out")
