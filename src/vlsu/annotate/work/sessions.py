"""Sessions of those who are signed in; the database holds only hashes of their tokens."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from vlsu.annotate.store.tables import people, sessions

__all__ = ["SESSION_MS", "close_session", "open_session", "person_of", "token_hash"]

#: How long a session lasts.
SESSION_MS = 14 * 86_400_000


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
    return connection.execute(
        select(people)
        .join(sessions, sessions.c.person_id == people.c.id)
        .where(sessions.c.token_hash == token_hash(token), sessions.c.expires_at >= now)
    ).first()


def close_session(connection: Connection, token: str) -> None:
    """End a session."""
    connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash(token)))
