"""Restoring a backup into a new folder and an empty database, of either kind."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, MetaData, Table, func, select, text
from sqlalchemy.exc import DBAPIError, StatementError

from vlsu._yaml import load_yaml, write_yaml
from vlsu.annotate.backup.archive import Manifest, part_of_table, read_parts
from vlsu.annotate.projects.creating import new_folder, require_empty, require_unused
from vlsu.annotate.projects.folder import (
    DATABASE_FILE,
    POLICY_FILE,
    PROJECT_FILE,
    SECRETS_FILE,
    Record,
    read,
)
from vlsu.annotate.store.bulk import analyze, insert_rows
from vlsu.annotate.store.database import Database, database_url
from vlsu.annotate.store.tables import metadata
from vlsu.errors import AnnotationError

__all__ = ["restore"]


def restore(file: Path, folder: Path, *, database: str | None = None) -> Manifest:
    """Make the project of a backup again.

    The rows come in one transaction, and ``project.yaml`` last: what was cut short is no project,
    and is restored again into the same place.

    Args:
        file: The backup.
        folder: New, or empty.
        database: Address of an empty PostgreSQL database; a SQLite file in the folder if not given.

    Returns:
        What was in it.

    Raises:
        VlsuError: The backup is damaged or of a newer version, the folder or the database is taken,
            or cannot be used.
    """
    require_empty(folder)
    with tempfile.TemporaryDirectory(prefix="vlsu-restore-") as temporary:
        parts = Path(temporary)
        manifest = read_parts(file, parts)
        record = _placed(_record(file, parts), database)
        if record.id != manifest.project:
            raise AnnotationError(f"{file}: {PROJECT_FILE} is of another project; it is damaged")
        with new_folder(folder):
            opened = Database(record.url(folder), connections=1)
            try:
                require_unused(opened)
                opened.migrate(manifest.revision)
                _fill(opened, file, manifest, parts)
                opened.migrate()
                opened.write(analyze)
            finally:
                opened.close()
            if opened.sqlite:
                (folder / DATABASE_FILE).chmod(0o600)
            _write_files(parts, folder, record)
    return manifest


def _record(file: Path, parts: Path) -> Record:
    try:
        return read(parts)
    except AnnotationError as error:
        said = str(error).removeprefix(f"{parts}/")
        raise AnnotationError(f"{file}: {said}") from None


def _placed(record: Record, database: str | None) -> Record:
    """The record with the address of the restored database."""
    if database is None:
        return replace(record, database="", password="")
    url = database_url(database)
    if url.get_backend_name() == "sqlite":
        raise AnnotationError("--db: leave it out for a SQLite file in the folder")
    address = url.set(password=None, drivername=url.get_backend_name()).render_as_string()
    return replace(record, database=address, password=str(url.password or ""))


def _fill(database: Database, file: Path, manifest: Manifest, parts: Path) -> None:
    def insert_all(connection: Connection) -> None:
        known = MetaData()
        known.reflect(connection)
        current = set(known.tables) - {"alembic_version"} == set(metadata.tables)
        for table in (metadata if current else known).sorted_tables:
            part = manifest.parts.get(part_of_table(table.name))
            if part is None:
                continue
            if not set(part.columns) <= set(table.columns.keys()):
                raise AnnotationError(f"{file}: table {table.name} has other columns")
            rows = _rows(parts / part_of_table(table.name), len(part.columns))
            number = insert_rows(connection, table, part.columns, rows, keep_indexes=not current)
            if number != part.rows:
                raise AnnotationError(f"{file}: table {table.name} lacks rows; it is damaged")
            _advance_sequence(connection, table)
        unknown = {each for each in manifest.parts if each.startswith("tables/")} - {
            part_of_table(name) for name in known.tables
        }
        if unknown:
            raise AnnotationError(f"{file}: {sorted(unknown)[0]} does not belong there")

    try:
        database.write(insert_all)
    except (StatementError, DBAPIError, psycopg.Error, sqlite3.Error, ValueError) as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        raise AnnotationError(f"{file}: its rows do not fit the tables ({said[:160]})") from None


def _rows(file: Path, width: int) -> Iterator[tuple[Any, ...]]:
    with file.open(encoding="ascii") as lines:
        for line in lines:
            row = json.loads(line)
            if not isinstance(row, list) or len(row) != width:
                raise ValueError(f"{file.name}: a row has other columns")
            yield tuple(row)


def _advance_sequence(connection: Connection, table: Table) -> None:
    """Have PostgreSQL number new rows after those that came."""
    if connection.dialect.name != "postgresql" or "id" not in table.columns:
        return
    name = connection.scalar(text("SELECT pg_get_serial_sequence(:t, 'id')"), {"t": table.name})
    last = connection.scalar(select(func.max(table.c.id)))
    if name is not None and last is not None:
        connection.execute(text("SELECT setval(:name, :last)"), {"name": name, "last": last})


def _write_files(parts: Path, folder: Path, record: Record) -> None:
    """The files of the folder with the database's new address, ``project.yaml`` last."""
    tree = load_yaml(parts / PROJECT_FILE, AnnotationError)
    tree["database"] = record.database or f"sqlite:///{DATABASE_FILE}"
    hidden = load_yaml(parts / SECRETS_FILE, AnnotationError)
    hidden["database_password"] = record.password
    (folder / POLICY_FILE).write_bytes((parts / POLICY_FILE).read_bytes())
    descriptor = os.open(folder / SECRETS_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(write_yaml(hidden))
    half = folder / f"{PROJECT_FILE}.part"
    half.write_text(write_yaml(tree), encoding="utf-8")
    half.replace(folder / PROJECT_FILE)
