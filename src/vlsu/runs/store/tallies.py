"""Counts and sums over a whole store."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from vlsu.models.base import TOKEN_COUNTS
from vlsu.runs.store.lookup import Lookup, rows_with
from vlsu.runs.store.schema import former_table
from vlsu.runs.store.stored_keys import appended_rows
from vlsu.runs.store.tables import StoredRow
from vlsu.runs.store.usage import (
    BATCHED,
    COUNTS,
    FORMER_SUMS,
    MOST_TOKENS,
    REMOVED_SUMS,
    SUMS,
    TAKEN_OVER,
)

__all__ = ["Tallies"]

#: Requests looked up together.
_LOOKUP = 500
#: Which responses' tokens are summed: all that were asked, or by whether they came in a batch; and
#: the same of what an earlier version stored. What another run has paid for costs nothing.
_WHICH = {
    None: f"origin != {TAKEN_OVER}",
    True: f"origin = {BATCHED}",
    False: f"origin NOT IN ({BATCHED}, {TAKEN_OVER})",
    "taken over": f"origin = {TAKEN_OVER}",
}
_FORMER_WHICH = {
    None: "1",
    True: "key IN (SELECT key FROM batched)",
    False: "key NOT IN (SELECT key FROM batched)",
    "taken over": "0",
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

    def usage_rows(self, numbers: Mapping[str, int]) -> dict[str, StoredRow]:
        """Key, SPEC, origin and counts of tokens, of responses with these numbers, by key."""
        keys = {number: key for key, number in numbers.items()}
        found: dict[str, StoredRow] = {}
        if self._has("response_tokens", "specs"):
            specs = dict(self._connection.execute("SELECT number, spec FROM specs").fetchall())
            select = f"SELECT number, spec, origin, {COUNTS} FROM response_tokens WHERE number"  # noqa: S608
            for number, spec, *others in rows_with(self._connection, select, [*keys]):
                found[keys[number]] = (keys[number], str(specs.get(spec, "")), *others)
        if self._has("tokens"):
            batched = _FORMER_WHICH[True] if self._has("batched") else "0"
            select = f"SELECT key, spec, {batched}, {COUNTS} FROM tokens WHERE key"  # noqa: S608
            for key, *others in rows_with(self._connection, select, [*numbers]):
                found.setdefault(key, (key, *others))
        return found

    def usage(self, which: bool | Literal["taken over"] | None) -> dict[str, tuple[int, ...]]:
        """Sums of tokens by SPEC, of responses that were removed too.

        Args:
            which: Of all that was asked (`None`), of what of it came in a batch (true) or not, or
                of what was taken over from another store.
        """
        found: list[tuple[str, tuple[float, ...]]] = []
        if self._has("response_tokens", "specs"):
            specs = dict(self._connection.execute("SELECT number, spec FROM specs").fetchall())
            for number, *counts in self._connection.execute(SUMS.format(which=_WHICH[which])):
                found.append((str(specs.get(number, "")), tuple(counts)))
        if self._has("tokens"):
            former = _FORMER_WHICH[which]
            if not self._has("batched"):
                former = "0" if which else "1"
            for spec, *counts in self._connection.execute(FORMER_SUMS.format(which=former)):
                found.append((str(spec), tuple(counts)))
        if self._has("removed_tokens"):
            for spec, *counts in self._connection.execute(REMOVED_SUMS.format(which=_WHICH[which])):
                found.append((str(spec), tuple(counts)))
        sums: dict[str, tuple[float, ...]] = {}
        for spec, counts in found:
            before = sums.get(spec, (0.0,) * len(counts))
            sums[spec] = tuple(a + b for a, b in zip(before, counts, strict=True))
        return {
            spec: tuple(int(min(each, MOST_TOKENS)) for each in counts)
            for spec, counts in sums.items()
        }

    def asked(self) -> dict[str, int]:
        """How many responses were asked for, by SPEC, of those whose tokens are kept."""
        found: Counter[str] = Counter()
        if self._has("response_tokens", "specs"):
            specs = dict(self._connection.execute("SELECT number, spec FROM specs").fetchall())
            select = (
                f"SELECT spec, count(*) FROM response_tokens WHERE {_WHICH[None]} GROUP BY spec"  # noqa: S608
            )
            for number, count in self._connection.execute(select):
                found[str(specs.get(number, ""))] += count
        if self._has("tokens"):
            select = "SELECT spec, count(*) FROM tokens GROUP BY spec"
            found.update({str(s): n for s, n in self._connection.execute(select)})
        return dict(found)

    def removed(self) -> dict[str, int]:
        """How many responses that were asked for were removed, by SPEC, likewise."""
        if not self._has("removed_tokens"):
            return {}
        select = (
            f"SELECT spec, sum(responses) FROM removed_tokens WHERE {_WHICH[None]} GROUP BY spec"  # noqa: S608
        )
        return {str(spec): int(n) for spec, n in self._connection.execute(select)}

    def models(self) -> dict[str, dict[str, int]]:
        """SPEC -> responses whose tokens are kept, whoever asked for them, and their sums."""
        sums = ", ".join(f"total({name})" for name in TOKEN_COUNTS)
        found: list[tuple[Any, ...]] = []
        if self._has("response_tokens", "specs"):
            specs = dict(self._connection.execute("SELECT number, spec FROM specs").fetchall())
            select = f"SELECT spec, count(*), {sums} FROM response_tokens GROUP BY spec"  # noqa: S608
            for number, *counts in self._connection.execute(select):
                found.append((str(specs.get(number, "")), *counts))
        if self._has("tokens"):
            select = f"SELECT spec, count(*), {sums} FROM tokens GROUP BY spec"  # noqa: S608
            found += self._connection.execute(select).fetchall()
        models: dict[str, dict[str, int]] = {}
        for spec, *counts in sorted(found):
            known = models.setdefault(str(spec), dict.fromkeys(("responses", *TOKEN_COUNTS), 0))
            for name, count in zip(("responses", *TOKEN_COUNTS), counts, strict=True):
                known[name] += int(min(count, MOST_TOKENS))
        return models

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
