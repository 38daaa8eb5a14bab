"""Opening a project's database, and transactions on it.

SQLite: WAL mode, every commit on disk before it is acknowledged, transactions that write begin with
``BEGIN IMMEDIATE``, so that there is one writer and no transaction fails half-way for a lock.
PostgreSQL: read committed; statements lock the rows they decide on.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.resources import files
from typing import Any, TypeVar

import psycopg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from vlsu.errors import AnnotationError, MachineError, VlsuError

__all__ = ["Database", "DatabaseAwayError", "database_url", "shown"]

T = TypeVar("T")

#: Milliseconds that a transaction waits for SQLite's one writer.
BUSY_MS = 20_000
#: Attempts of a transaction that the database ended for the sake of another.
ATTEMPTS = 8
#: SQLSTATE of PostgreSQL: serialization failure, deadlock.
_AGAIN = frozenset({"40001", "40P01"})
#: SQLSTATE of PostgreSQL: no space, no memory, too many connections.
_EXHAUSTED = frozenset({"53100", "53200", "53300"})
#: Key of PostgreSQL's advisory lock on migrations: any number of our own.
_MIGRATING = 0x766C7375
_KINDS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}


class DatabaseAwayError(AnnotationError):
    """The database cannot be reached or used now; nothing was written, and it may come back."""


def database_url(address: str) -> URL:
    """The address of a database.

    Raises:
        AnnotationError: It is neither ``sqlite:///FILE`` nor ``postgresql://...``.
    """
    try:
        url = make_url("postgresql" + address[8:] if address.startswith("postgres://") else address)
        url = url.set(drivername=_KINDS[url.get_backend_name()])
    except (ArgumentError, KeyError, NoSuchModuleError, ValueError):
        raise AnnotationError(
            "--db: neither sqlite:///FILE nor postgresql://USER@HOST/NAME; give one of these"
        ) from None
    if url.get_backend_name() == "postgresql":
        _require_sound(url)
    return url


def _require_sound(url: URL) -> None:
    """Refuse an address of PostgreSQL that the driver would read as another, or not at all."""
    if set("/@:") & set(url.database or ""):
        raise AnnotationError(
            "--db: a password or a name with @, / or : in it; write these as %40, %2F and %3A"
        )
    try:
        arguments = url.get_dialect()().create_connect_args(url)[1]
        said = psycopg.conninfo.make_conninfo(**arguments)
    except (ArgumentError, psycopg.Error, ValueError) as error:
        said = " ".join(str(error).split())
        raise AnnotationError(f"--db: cannot be read ({said[:80]})") from None
    if not said.isprintable():
        raise AnnotationError("--db: has characters in it that cannot be printed; remove them")


def shown(url: URL) -> str:
    """An address for messages, without its password."""
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


class Database:
    """A project's database."""

    def __init__(self, url: URL, *, connections: int = 10) -> None:
        self.url = url
        self.sqlite = url.get_backend_name() == "sqlite"
        # SQLite lets its writers poll for their turn; threads of one process queue here instead.
        self._turn: AbstractContextManager[object] = (
            threading.Lock() if self.sqlite else nullcontext()
        )
        self.engine = _sqlite(url) if self.sqlite else _postgresql(url, connections)

    def close(self) -> None:
        """Close its connections."""
        self.engine.dispose()

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do some work in one transaction; again if the database ended it for the sake of another.

        Raises:
            VlsuError: What the work raises, or the database cannot be used. Nothing was written.
        """
        for attempt in range(ATTEMPTS):
            try:
                with self._turn, self.engine.connect() as connection:
                    connection.info["writes"] = True
                    with connection.begin():
                        return work(connection)
            except DBAPIError as error:
                if attempt + 1 < ATTEMPTS and _is_to_be_tried_again(error):
                    time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311
                    continue
                raise self._error(error) from error
            except PoolTimeoutError as error:
                raise self._busy() from error
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading, all of one moment on SQLite.

        Raises:
            VlsuError: The database cannot be used.
        """
        try:
            with self.engine.connect() as connection:
                connection.info["writes"] = False
                with connection.begin():
                    yield connection
        except DBAPIError as error:
            raise self._error(error) from error
        except PoolTimeoutError as error:
            raise self._busy() from error

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection for reading all tables as of one moment, while others write.

        Raises:
            VlsuError: The database cannot be used.
        """
        with self.read() as connection:
            if not self.sqlite:  # before the first statement of the transaction
                connection.exec_driver_sql(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
                )
            yield connection

    def purge(self, *names: str) -> None:
        """Leave nothing of deleted rows of some tables in the database's files.

        SQLite writes the file anew and empties its write-ahead log; PostgreSQL writes the tables
        anew. Backups, PostgreSQL's own log, and blocks that a disk has not overwritten are not
        reached.

        Args:
            names: Of tables.

        Raises:
            VlsuError: The database cannot be used.
        """
        try:
            with self._turn, self.engine.connect() as connection:
                driver: Any = connection.connection.driver_connection
                if not self.sqlite:
                    driver.autocommit = True
                    try:
                        for name in names:
                            driver.execute(f'VACUUM (FULL) "{name}"')
                    finally:
                        driver.autocommit = False
                    return
                driver.execute("VACUUM")
                for attempt in range(ATTEMPTS):  # readers of older pages may hold it up
                    busy, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                    if not busy:
                        return
                    time.sleep(0.1 * 2**attempt)
        except (sqlite3.Error, psycopg.Error) as error:
            said = " ".join(str(error).split())
            raise AnnotationError(f"{shown(self.url)}: cannot be used ({said[:200]})") from error
        raise AnnotationError(
            f"{shown(self.url)}: is in use, so that deleted data is still in its log; try again"
        )

    def migrate(self, revision: str = "head") -> None:
        """Bring its tables to this version's.

        Args:
            revision: Or to an older one.

        Raises:
            VlsuError: The database cannot be used.
        """

        def upgrade(connection: Connection) -> None:
            if not self.sqlite:  # as SQLite's writers do, others wait for their turn
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
                _require_unicode(connection)
            command.upgrade(alembic_config(connection), revision)

        try:
            self.write(upgrade)
        except CommandError:
            raise AnnotationError(
                f"{shown(self.url)}: was made by a newer version; update vlsu"
            ) from None

    def _error(self, error: DBAPIError) -> VlsuError:
        state = getattr(error.orig, "sqlstate", None)
        said = " ".join(str(error.orig).split())
        if state in _EXHAUSTED or "disk is full" in said:
            return MachineError(f"{shown(self.url)}: {said[:200]}; free some and send it again")
        if state in _REFUSED:
            why = said[:200].partition(" LINE ")[0]
            return DatabaseAwayError(
                f"{shown(self.url)}: refuses this ({why}); its role "
                "needs to own the database, or a schema that comes first in its search path"
            )
        if isinstance(error, IntegrityError | ProgrammingError):
            raise error  # a defect of ours: a constraint, a statement
        # Operational errors come of what surrounds us: a timeout, a lock, a disk, a shutdown.
        away = isinstance(error, OperationalError) or error.connection_invalidated
        if away or self.sqlite or not state or state.startswith(_GONE):
            return DatabaseAwayError(f"{shown(self.url)}: cannot be used ({said[:200]})")
        raise error

    def _busy(self) -> VlsuError:
        return MachineError(f"{shown(self.url)}: all connections are in use; try again")


#: SQLSTATE of PostgreSQL: not permitted, no schema to create tables in.
_REFUSED = frozenset({"42501", "3F000"})
#: SQLSTATE of PostgreSQL: connection, a standby that only reads, authorisation, unknown database,
#: shutdown, disk.
_GONE = ("08", "25006", "28", "3D", "57", "58")


def alembic_config(connection: Connection | None = None) -> Config:
    """What alembic is told: where the migrations are, and the connection."""
    config = Config()
    folder = str(files("vlsu.annotate.store").joinpath("migrations"))
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _require_unicode(connection: Connection) -> None:
    """Refuse a database of PostgreSQL that cannot store every name and note.

    Raises:
        AnnotationError: It has another encoding than UTF-8.
    """
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise AnnotationError(
            f"{shown(connection.engine.url)}: its encoding is {encoding}; "
            "make it anew with ENCODING 'UTF8' TEMPLATE template0"
        )


def _is_to_be_tried_again(error: DBAPIError) -> bool:
    if getattr(error.orig, "sqlstate", None) in _AGAIN:
        return True
    return getattr(error.orig, "sqlite_errorname", "").startswith("SQLITE_BUSY")


#: Of each connection to SQLite; what is deleted is overwritten.
_PRAGMAS = (
    *("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"),
    "secure_delete = ON",
)


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_MS / 1000})

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions begin below, not in the driver
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.execute("PRAGMA cache_size = -65536")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.info.get("writes", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN DEFERRED")

    return engine


def _postgresql(url: URL, connections: int) -> Engine:
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=True,
        # The encoding is said, since a database without one would have texts come as bytes.
        connect_args={
            "connect_timeout": 10,
            "application_name": "vlsu annotate",
            "client_encoding": "UTF8",
        },
    )
