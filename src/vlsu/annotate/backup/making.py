"""Making a backup of a project, of one moment, while its server runs."""

from __future__ import annotations

import datetime
import gzip
import json
import os
import tarfile
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, Table, select, text

from vlsu._folders import require_new
from vlsu._version import __version__
from vlsu.annotate.backup.archive import FILES, MANIFEST, Manifest, Part, digest, part_of_table
from vlsu.annotate.projects.project import Project
from vlsu.annotate.store.tables import metadata
from vlsu.errors import MachineError

__all__ = ["back_up"]

#: Rows that are fetched at once.
_ROWS = 5000


def back_up(project: Project, file: Path) -> Manifest:
    """Write a backup: the tables as of one moment, and the files of the folder.

    SQLite is read in one transaction, which in WAL mode sees one moment while others write;
    PostgreSQL in one of repeatable reads. The file holds the project's secrets and is readable by
    its owner alone. It comes under its name when it is complete.

    Args:
        project: Opened.
        file: New.

    Returns:
        What is in it.

    Raises:
        VlsuError: The file is there already or cannot be written, or the database cannot be read.
    """
    require_new(file, "FILE")
    half = file.with_name(f".{file.name}.part")
    try:
        with tempfile.TemporaryDirectory(prefix="vlsu-backup-") as folder:
            manifest = _spool(project, Path(folder))
            descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                _write(out, manifest, Path(folder))
                out.flush()
                os.fsync(out.fileno())
        half.replace(file)
    except OSError as error:
        with suppress(OSError):
            half.unlink(missing_ok=True)
        raise MachineError(f"{file}: cannot be written ({error.strerror})") from None
    except BaseException:
        half.unlink(missing_ok=True)
        raise
    return manifest


def _spool(project: Project, folder: Path) -> Manifest:
    """The parts as files, each with its size and hash."""
    (folder / "tables").mkdir()
    parts: dict[str, Part] = {}
    for name in FILES:
        (folder / name).write_bytes((project.folder / name).read_bytes())
        parts[name] = Part(*digest(folder / name))
    with project.database.snapshot() as connection:
        revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
        for table in metadata.sorted_tables:
            name = part_of_table(table.name)
            rows = _dump(connection, table, folder / name)
            columns = tuple(column.name for column in table.columns)
            parts[name] = replace(Part(*digest(folder / name)), rows=rows, columns=columns)
    now = datetime.datetime.fromtimestamp(project.clock() / 1000, datetime.UTC)
    return Manifest(
        project=project.record.id,
        database="sqlite" if project.database.sqlite else "postgresql",
        revision=str(revision),
        made_at=now.isoformat(timespec="seconds"),
        made_with=f"vlsu {__version__}",
        parts=parts,
    )


def _dump(connection: Connection, table: Table, file: Path) -> int:
    statement = select(table).order_by(*table.primary_key.columns)
    rows = connection.execution_options(stream_results=True, yield_per=_ROWS).execute(statement)
    number = 0
    with file.open("w", encoding="ascii") as out:
        for row in rows:
            out.write(json.dumps(list(row), separators=(",", ":")))
            out.write("\n")
            number += 1
    return number


def _write(out: IO[bytes], manifest: Manifest, folder: Path) -> None:
    (folder / MANIFEST).write_text(manifest.text(), encoding="utf-8")
    with (
        gzip.GzipFile(fileobj=out, mode="wb", filename="", compresslevel=6) as zipped,
        tarfile.open(fileobj=zipped, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in (MANIFEST, *manifest.parts):
            file = folder / name
            member = tarfile.TarInfo(name)
            member.size = file.stat().st_size
            member.mode = 0o600
            with file.open("rb") as stream:
                tar.addfile(member, stream)
