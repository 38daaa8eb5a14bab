"""The entries of the journal, and the statements that change them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["SEE", "STORE", "TABLE", "Result", "Stated", "Wanted"]

TABLE = """
CREATE TABLE IF NOT EXISTS addresses (
    id INTEGER PRIMARY KEY,
    url TEXT NOT NULL UNIQUE,
    sample TEXT NOT NULL,      -- the first sample with the address
    host TEXT,                 -- of the address, empty if it has none
    queue TEXT,                -- whom to ask in this start, null if nobody
    state INTEGER NOT NULL,    -- 0 not asked, 1 stored, 2 failed for now, 3 failed
    reason TEXT,
    sha256 TEXT,
    before TEXT,               -- the hash in the dataset that `sha256` replaces
    required TEXT,             -- the hash that the image must have
    own INTEGER NOT NULL,      -- whether the image was fetched from the address
    etag TEXT,
    modified TEXT,
    fresh INTEGER NOT NULL,    -- whether it was fetched in this start
    seen INTEGER NOT NULL      -- whether the dataset has the address
);
CREATE TABLE IF NOT EXISTS changing (dataset INTEGER PRIMARY KEY);
CREATE INDEX IF NOT EXISTS queued ON addresses (queue, id) WHERE queue IS NOT NULL;
"""
#: Of an address that is known, an image in the dataset counts unless it is the one to be replaced.
SEE = """
INSERT INTO addresses (sample, url, sha256, required, state, own, fresh, seen)
VALUES (?1, ?2, ?3, ?4, CASE WHEN ?3 IS NULL THEN 0 ELSE 1 END, 0, 0, 1)
ON CONFLICT (url) DO UPDATE SET
    seen = 1,
    required = coalesce(excluded.required, required),
    own = CASE WHEN excluded.sha256 IS NULL OR excluded.sha256 IS before
                 OR excluded.sha256 IS sha256 THEN own ELSE 0 END,
    state = CASE WHEN excluded.sha256 IS NULL OR excluded.sha256 IS before THEN state
                 ELSE 1 END,
    sha256 = CASE WHEN excluded.sha256 IS NULL OR excluded.sha256 IS before THEN sha256
                  ELSE excluded.sha256 END
"""
#: An image was fetched; a stored one with the same hash was had before.
STORE = """
UPDATE addresses SET queue = NULL, reason = NULL, own = 1, required = NULL,
    fresh = CASE WHEN state = 1 AND sha256 IS ?1 THEN 0 ELSE 1 END,
    before = CASE WHEN sha256 IS NOT NULL AND sha256 IS NOT ?2 THEN sha256 ELSE before END,
    state = 1, sha256 = ?1, etag = ?3, modified = ?4 WHERE id = ?5
"""


class Stated(NamedTuple):
    """A row of the dataset that has an address.

    Attributes:
        sample: Its identifier.
        url: The address.
        sha256: The hash of its image; `None` if it has none.
        required: The hash that the source states for it, if any.
    """

    sample: str
    url: str
    sha256: str | None
    required: str | None


@dataclass(slots=True)
class Wanted:
    """An address to be asked.

    Attributes:
        id: Its number in the journal.
        url: The address.
        sample: The first sample that has it.
        required: The hash that the image must have, if any.
        etag: Of the image that is stored, if it is asked again.
        modified: When that was changed last.
        tries: How often it was asked in this start.
    """

    id: int
    url: str
    sample: str
    required: str | None
    etag: str | None
    modified: str | None
    tries: int = 0


class Result(NamedTuple):
    """What asking an address gave.

    Attributes:
        id: The number of the address.
        sha256: Of the image; `None` if there is none, or the stored one is unchanged.
        reason: Why there is none.
        transient: Whether asking later may help.
        etag: To ask conditionally next time.
        modified: Likewise.
    """

    id: int
    sha256: str | None = None
    reason: str | None = None
    transient: bool = False
    etag: str | None = None
    modified: str | None = None
