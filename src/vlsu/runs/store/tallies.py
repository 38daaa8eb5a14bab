"""Counts and sums over a whole store."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping

from vlsu.models.base import TOKEN_COUNTS
from vlsu.runs.store.lookup import Lookup
from vlsu.runs.store.schema import former_table
from vlsu.runs.store.stored_keys import appended_rows

__all__ = ["Tallies"]

_MOST_IN_ALL = 2**53
#: Numbers of one statement, and requests looked up together.
_LOOKUP = 500

_SUMS = ", ".join(f"total({name})" for name in TOKEN_COUNTS)
_USAGE = f"SELECT spec, {_SUMS} FROM response_tokens {{which}} GROUP BY spec"  # noqa: S608
_FORMER_USAGE = f"SELECT spec, {_SUMS} FROM tokens {{which}} GROUP BY spec"  # noqa: S608
#: Of what an earlier version stored, which is of an origin: all, asked one by one, batched.
_FORMER_WHICH = {
    None: "",
    0: "WHERE key NOT IN (SELECT key FROM batched)",
    1: "WHERE key IN (SELECT key FROM batched)",
}


class Tallies:
    """Counts what a connection reads; tables that an earlier version lacks count as empty."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _has(self, *tables: str) -> bool:
        marks = ",".join("?" * len(tables))
        select = f"SELECT count(*) FROM sqlite_schema WHERE name IN ({marks})"  # noqa: S608
        return int(self._connection.execute(select, tables).fetchone()[0]) == len(tables)

    def count(self) -> int:
        """Responses."""
        return appended_rows(self._connection) + self._count(former_table(self._connection))

    def _count(self, table: str | None) -> int:
        if table is None:
            return 0
        select = f"SELECT count(*) FROM {table}"  # noqa: S608
        return int(self._connection.execute(select).fetchone()[0])

    def count_with_usage(self) -> int:
        """Responses whose tokens are kept."""
        names = [name for name in ("response_tokens", "tokens") if self._has(name)]
        return sum(map(self._count, names))

    def with_usage(self, numbers: Mapping[str, int]) -> set[str]:
        """Of these keys, with the numbers of their rows, those whose tokens are kept."""
        known: set[str] = set()
        for column, table in (("number", "response_tokens"), ("key", "tokens")):
            if not self._has(table):
                continue
            values = {number: key for key, number in numbers.items()}
            wanted = [*values] if column == "number" else [*numbers]
            for start in range(0, len(wanted), _LOOKUP):
                part = wanted[start : start + _LOOKUP]
                marks = ",".join("?" * len(part))
                select = f"SELECT {column} FROM {table} WHERE {column} IN ({marks})"  # noqa: S608
                for (value,) in self._connection.execute(select, part):
                    known.add(values[value] if column == "number" else str(value))
        return known

    def usage(self, origin: int | None) -> dict[str, tuple[int, ...]]:
        """Sums of tokens by SPEC, of all origins or of one."""
        sums: dict[str, tuple[float, ...]] = {}
        found: list[tuple[object, ...]] = []
        if self._has("response_tokens", "specs"):
            specs = dict(self._connection.execute("SELECT number, spec FROM specs").fetchall())
            which = "" if origin is None else f"WHERE origin = {int(origin)}"
            for number, *counts in self._connection.execute(_USAGE.format(which=which)):
                found.append((specs.get(number, ""), *counts))
        if self._has("tokens"):
            which = _FORMER_WHICH[origin] if self._has("batched") else ""
            if self._has("batched") or origin != 1:
                found += self._connection.execute(_FORMER_USAGE.format(which=which)).fetchall()
        for spec, *counts in found:
            before = sums.get(str(spec), (0.0,) * len(TOKEN_COUNTS))
            sums[str(spec)] = tuple(a + float(b) for a, b in zip(before, counts, strict=True))  # type: ignore[arg-type]
        return {
            spec: tuple(int(min(each, _MOST_IN_ALL)) for each in counts)
            for spec, counts in sums.items()
        }

    def error_counts(self) -> dict[str, int]:
        """Failed attempts by kind of fault."""
        return dict(
            self._connection.execute("SELECT kind, count(*) FROM errors GROUP BY kind").fetchall()
        )

    def unanswered(self, lookup: Lookup, most: int) -> dict[str, int]:
        """The last faults of requests that have no response, the commonest ones."""
        select = "SELECT key, message, max(rowid) FROM errors GROUP BY key"
        rows = self._connection.execute(select)
        counts: Counter[str] = Counter()
        while part := rows.fetchmany(_LOOKUP):
            stored = lookup.stored([key for key, _, _ in part if isinstance(key, str)])
            counts.update(message for key, message, _ in part if key not in stored)
        return dict(sorted(counts.items(), key=lambda each: (-each[1], str(each[0])))[:most])

    def image_changes(self, spec: str) -> dict[str, int]:
        """Different images that were changed to what a model takes, by change."""
        select = (
            "SELECT change, count(*) FROM (SELECT change, min(rowid) FROM images WHERE spec = ? "
            "GROUP BY sha256) GROUP BY change"
        )
        return dict(self._connection.execute(select, (spec,)).fetchall())
