"""The tables of the store, and rows on their way into them.

Rows of responses are only ever appended, under numbers that count up; what else there is to find
them by is in memory (`vlsu.runs.store.digest_index`) and, of whole stretches of rows, in
``segments``. So what is written is written in one place, once to the log and once to the file.

Earlier versions had an index of random keys over ``responses`` and over the tokens. Their files are
read and continued: the former table stays as it is, under another name.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vlsu.models.base import TOKEN_COUNTS

__all__ = ["BATCH", "FORMER", "FORMER_SCHEMAS", "SCHEMA", "Batch", "StoredRow"]

StoredRow = tuple[str | int | float | bytes | None, ...]

_ERRORS = """
CREATE TABLE IF NOT EXISTS errors (
    key TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    status INTEGER NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    body BLOB NOT NULL,
    received REAL NOT NULL
);
"""

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS responses (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    coding INTEGER NOT NULL,
    latency_s REAL NOT NULL,
    attempts INTEGER NOT NULL,
    received REAL NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS dictionaries (
    place INTEGER PRIMARY KEY,
    data BLOB NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS segments (
    first INTEGER PRIMARY KEY,
    keys BLOB NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS specs (
    number INTEGER PRIMARY KEY,
    spec TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS response_tokens (
    number INTEGER PRIMARY KEY,
    spec INTEGER NOT NULL,
    origin INTEGER NOT NULL,
    {", ".join(f"{name} INTEGER" for name in TOKEN_COUNTS)}
);
{_ERRORS}
CREATE TABLE IF NOT EXISTS images (
    spec TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    change TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS removed_tokens (
    spec TEXT NOT NULL,
    origin INTEGER NOT NULL,
    responses INTEGER NOT NULL,
    {", ".join(f"{name} INTEGER NOT NULL" for name in TOKEN_COUNTS)}
);
"""

#: What the table of responses of earlier versions is renamed to, where a file is continued.
FORMER = "former_responses"

_FORMER = f"""
CREATE TABLE IF NOT EXISTS responses (
    key TEXT PRIMARY KEY,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    latency_s REAL NOT NULL,
    attempts INTEGER NOT NULL,
    received REAL NOT NULL,
    checksum INTEGER NOT NULL
);
{_ERRORS}
CREATE INDEX IF NOT EXISTS errors_key ON errors (key);
CREATE TABLE IF NOT EXISTS images (
    spec TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    change TEXT NOT NULL,
    PRIMARY KEY (spec, sha256)
);
CREATE TABLE IF NOT EXISTS tokens (
    key TEXT PRIMARY KEY,
    spec TEXT NOT NULL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER
);
CREATE TABLE IF NOT EXISTS batched (
    key TEXT PRIMARY KEY
);
"""
#: What earlier versions made, and the same once it is continued.
FORMER_SCHEMAS = (_FORMER, f"{_FORMER} ALTER TABLE responses RENAME TO {FORMER};")

#: A batch of so many rows is full.
BATCH = 512


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows for one transaction, a list for each kind.

    Attributes:
        responses: key, status, body, latency_s, attempts, received, checksum.
        errors: As in the table.
        images: As in the table.
        usage: key, spec, origin and the counts of tokens.
        removed_tokens: SPEC, origin, how many responses were removed, and sums of their tokens.
    """

    responses: list[StoredRow] = field(default_factory=list)
    errors: list[StoredRow] = field(default_factory=list)
    images: list[StoredRow] = field(default_factory=list)
    usage: list[StoredRow] = field(default_factory=list)
    removed_tokens: list[StoredRow] = field(default_factory=list)

    @property
    def tables(self) -> tuple[list[StoredRow], ...]:
        """The rows of each kind."""
        return self.responses, self.errors, self.images, self.usage, self.removed_tokens

    def __bool__(self) -> bool:
        return any(self.tables)

    @property
    def full(self) -> bool:
        """Whether it is to be written at once."""
        return max(map(len, self.tables)) >= BATCH

    def take(self) -> Batch:
        """All rows, in a batch of their own; none are left in this one."""
        taken = Batch(*(rows[:] for rows in self.tables))
        for rows in self.tables:
            rows.clear()
        return taken
