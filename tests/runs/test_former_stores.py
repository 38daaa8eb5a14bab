"""Stores of earlier versions are read as they are, and continued."""

import sqlite3
from contextlib import closing

import pytest

from vlsu.models import Fault, Raw
from vlsu.models.base import Outcome, Response
from vlsu.runs import ResponseStore
from vlsu.runs.store.salvage import checksum

#: The tables of the first version, and what later ones added.
FIRST = """
CREATE TABLE IF NOT EXISTS responses (
    key TEXT PRIMARY KEY,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    latency_s REAL NOT NULL,
    attempts INTEGER NOT NULL,
    received REAL NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS errors (
    key TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    status INTEGER NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    body BLOB NOT NULL,
    received REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS errors_key ON errors (key);
"""
IMAGES = """
CREATE TABLE IF NOT EXISTS images (
    spec TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    change TEXT NOT NULL,
    PRIMARY KEY (spec, sha256)
);
INSERT INTO images VALUES ('openai/m', 'aa', 'scaled');
"""
USAGE = """
CREATE TABLE IF NOT EXISTS usage (
    key TEXT PRIMARY KEY,
    spec TEXT NOT NULL,
    input_tokens INTEGER,
    output_tokens INTEGER
);
"""
TOKENS = """
CREATE TABLE IF NOT EXISTS tokens (
    key TEXT PRIMARY KEY,
    spec TEXT NOT NULL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER
);
"""
BATCHED = """
CREATE TABLE IF NOT EXISTS batched (
    key TEXT PRIMARY KEY
);
"""
LAYOUTS = {
    "first": FIRST,
    "with images": FIRST + IMAGES,
    "with usage": FIRST + IMAGES + USAGE,
    "with tokens": FIRST + IMAGES + TOKENS,
    "with batches": FIRST + IMAGES + TOKENS + BATCHED,
}
COUNT = 1_200


def key(number):
    return f"{number:032x}"


def former_store(file, layout):
    """A file as an earlier version left it; every third response came by a batch interface."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(layout)
        for number in range(COUNT):
            body = b'{"answer": %d}' % number
            row = (key(number), 200, body, 0.5, 1, 1e9, checksum(key(number), 200, body))
            connection.execute("INSERT INTO responses VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            if TOKENS in layout:
                tokens = (key(number), "openai/m", 10, 2, None, None, None)
                connection.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?)", tokens)
            if BATCHED in layout and number % 3 == 0:
                connection.execute("INSERT INTO batched VALUES (?)", (key(number),))
        error = (key(COUNT), 1, 503, "server", "HTTP 503", b"busy", 1e9)
        connection.execute("INSERT INTO errors VALUES (?, ?, ?, ?, ?, ?, ?)", error)
        connection.commit()


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("read_only", [True, False])
def test_all_that_an_earlier_version_stored_is_there(name, read_only, tmp_path):
    file = tmp_path / "responses.sqlite"
    former_store(file, LAYOUTS[name])
    before = file.read_bytes()
    with closing(ResponseStore(file, read_only=read_only)) as store:
        keys = [key(number) for number in range(COUNT + 5)]
        assert store.stored(keys) == set(keys[:COUNT])
        assert store.responses(keys[7:8])[key(7)].raw == Raw(200, b'{"answer": 7}', 0.5)
        assert [each for part in store.stored_keys() for each in part] == keys[:COUNT]
        assert store.count() == COUNT
        assert store.unanswered() == {"HTTP 503": 1}
        kept = COUNT if "tokens" in name or "batches" in name else 0
        assert store.without_usage() == COUNT - kept
        assert store.usage() == ({"openai/m": (10 * kept, 2 * kept, 0, 0, 0)} if kept else {})
        batched = COUNT // 3 if "batches" in name else 0
        found = store.usage(batched=True).get("openai/m", (0,))[0]
        assert found == 10 * batched
        assert len(store.responses_without_usage(keys)) == COUNT - kept
    if read_only:
        assert file.read_bytes() == before


@pytest.mark.parametrize("name", LAYOUTS)
def test_it_is_continued_and_nothing_in_it_is_stored_twice(name, tmp_path):
    file = tmp_path / "responses.sqlite"
    former_store(file, LAYOUTS[name])
    response = Response(Outcome.OK, "x", input_tokens=5, output_tokens=1)
    for _ in range(2):
        with closing(ResponseStore(file)) as store:
            for number in (7, COUNT, COUNT + 1):
                store.put(key(number), Raw(200, b"new"), 1)
                store.put_usage(key(number), "openai/m", response, batched=number == COUNT)
            store.put_error(key(1), Raw(503, b""), Fault("server", "HTTP 503", retry=True), 1)
            store.put_image("openai/m", "aa", "converted")
            store.flush()
            assert store.responses([key(7)])[key(7)].raw.body == b'{"answer": 7}'
            assert store.responses([key(COUNT)])[key(COUNT)].raw.body == b"new"
            assert store.count() == COUNT + 2
            assert store.unanswered() == {}
            scaled = "scaled" if IMAGES in LAYOUTS[name] else "converted"
            assert store.image_changes("openai/m") == {scaled: 1}
    with closing(ResponseStore(file, read_only=True)) as store:
        keys = [key(number) for number in range(COUNT + 5)]
        assert store.stored(keys) == set(keys[: COUNT + 2])
        assert len(store.responses(keys)) == COUNT + 2
        more = 10 * (COUNT // 3) if "batches" in name else 0
        assert store.usage(batched=True)["openai/m"][0] == 5 + more


def test_tokens_of_what_an_earlier_version_stored_are_kept_when_they_are_known(tmp_path):
    file = tmp_path / "responses.sqlite"
    former_store(file, LAYOUTS["first"])
    with closing(ResponseStore(file)) as store:
        for number in (3, 4, 3):
            store.put_usage(key(number), "openai/m", Response(Outcome.OK, "x", input_tokens=5))
        store.flush()
        assert store.usage() == {"openai/m": (10, 0, 0, 0, 0)}
        assert store.without_usage() == COUNT - 2
        assert set(store.responses_without_usage([key(3), key(5)])) == {key(5)}


def test_it_is_salvaged_with_what_was_added_to_it(tmp_path, caplog):
    file = tmp_path / "responses.sqlite"
    former_store(file, LAYOUTS["with batches"])
    with closing(ResponseStore(file)) as store:
        for number in range(COUNT, COUNT + 2_000):
            store.put(key(number), Raw(200, b'{"answer": "new", "number": %d}' % number), 1)
            if number % 512 == 0:
                store.flush()
    data = bytearray(file.read_bytes())
    data[:100] = bytes(100)
    file.write_bytes(data)
    with closing(ResponseStore(file)) as store:
        assert store.count() == COUNT + 2_000
        assert store.responses([key(9)])[key(9)].raw.body == b'{"answer": 9}'
        last = key(COUNT + 1_999)
        assert store.responses([last])[last].raw.body.startswith(b'{"answer": "new"')
    assert "3200 responses were read out of it" in caplog.text
