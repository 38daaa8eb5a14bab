"""Many rows at once: a million slots in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, text

__all__ = ["analyze", "insert_rows"]

_CHUNK = 20_000


def insert_rows(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Iterable[tuple[Any, ...]],
    *,
    keep_indexes: bool = False,
) -> int:
    """Insert rows into an empty table; how many there were.

    Its indexes are made anew after that, which takes a fraction of the time.

    Args:
        connection: In a transaction that writes.
        table: Where.
        columns: The columns that each row has values of.
        rows: The values.
        keep_indexes: Leave them as they are, where the table is an older version's.
    """
    indexes = [] if keep_indexes else sorted(table.indexes, key=lambda each: str(each.name))
    for index in indexes:
        index.drop(connection)
    insert = _copy if connection.dialect.name == "postgresql" else _insert
    number = insert(connection, table, columns, rows)
    for index in indexes:
        index.create(connection)
    return number


def analyze(connection: Connection) -> None:
    """Have the planner know how many rows there are now."""
    connection.execute(text("ANALYZE"))


def _insert(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> int:
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
    number = 0
    for chunk in _chunks(rows):
        connection.exec_driver_sql(statement, chunk)
        number += len(chunk)
    return number


def _copy(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> int:
    driver: Any = connection.connection.driver_connection
    number = 0
    with driver.cursor() as cursor:
        names = ", ".join(f'"{name}"' for name in columns)
        with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
                number += 1
    return number


def _chunks(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk
