"""The tables of a build's database, which only ever grow."""

from __future__ import annotations

__all__ = ["SCHEMA"]

#: No row is ever changed or deleted: a later decision is a row of its own, and of a record there
#: is one to keep it and one to give it up at most, the latter final. Indexes come with UNIQUE:
#: a file with programs or indexes of its own is refused.
SCHEMA = """
CREATE TABLE IF NOT EXISTS prompts (
    hash TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    stage TEXT NOT NULL,
    parent TEXT REFERENCES records (key),
    pattern TEXT NOT NULL,
    category TEXT,
    language TEXT NOT NULL,
    content BLOB NOT NULL,
    provenance BLOB NOT NULL,
    made REAL NOT NULL,
    UNIQUE (parent, key)
);
CREATE TABLE IF NOT EXISTS decisions (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL REFERENCES records (key),
    kept INTEGER NOT NULL CHECK (kept IN (0, 1)),
    reason TEXT NOT NULL,
    about BLOB NOT NULL,
    made REAL NOT NULL,
    UNIQUE (key, kept)
);
CREATE TABLE IF NOT EXISTS tries (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    stage TEXT NOT NULL,
    pattern TEXT NOT NULL,
    category TEXT,
    language TEXT NOT NULL,
    subject TEXT REFERENCES records (key),
    number INTEGER NOT NULL,
    made REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS outcomes (
    key TEXT PRIMARY KEY NOT NULL REFERENCES tries (key),
    about BLOB NOT NULL,
    made REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calls (
    key TEXT PRIMARY KEY NOT NULL,
    stage TEXT NOT NULL,
    model TEXT NOT NULL,
    cost REAL,
    made REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS work (
    id INTEGER PRIMARY KEY,
    stage TEXT NOT NULL,
    began REAL NOT NULL,
    seconds REAL NOT NULL
);
"""
