"""The store of raw responses."""

import sqlite3
from contextlib import closing

import pytest

from vlsu.errors import RunError
from vlsu.models import Fault, Raw
from vlsu.models.base import Outcome, Response
from vlsu.runs import ResponseStore
from vlsu.runs.store.connections import connect_read_only


def test_what_is_put_is_there_after_a_flush_and_after_reopening(tmp_path):
    store = ResponseStore(tmp_path / "responses.sqlite")
    store.put("k1", Raw(200, b"\x00body\xff", 1.5), attempts=2)
    store.flush()
    assert store.stored(["k1", "k2"]) == {"k1"}
    store.close()
    again = ResponseStore(tmp_path / "responses.sqlite", read_only=True)
    stored = again.responses(["k1"])["k1"]
    assert (stored.raw.status, stored.raw.body, stored.raw.latency_s) == (200, b"\x00body\xff", 1.5)
    assert stored.attempts == 2
    again.close()


def test_the_first_response_under_a_key_stays(tmp_path):
    store = ResponseStore(tmp_path / "responses.sqlite")
    store.put("k", Raw(200, b"first"), 1)
    store.put("k", Raw(200, b"second"), 1)
    store.flush()
    assert store.responses(["k"])["k"].raw.body == b"first"
    assert store.count() == 1
    store.close()


def test_a_request_without_an_answer_counts_once_by_its_last_fault(tmp_path):
    store = ResponseStore(tmp_path / "responses.sqlite")
    for key, *messages in (("a", "x", "y"), ("b", "y", "x", "y"), ("c", "x"), ("answered", "x")):
        for attempt, message in enumerate(messages):
            store.put_error(key, Raw(503, b""), Fault("server", message, retry=True), attempt)
    store.put("answered", Raw(200, b"body"), 2)
    store.flush()
    assert store.unanswered() == {"y": 2, "x": 1}
    store.close()


def test_errors_are_kept_for_the_audit_and_never_stand_in_for_an_answer(tmp_path):
    store = ResponseStore(tmp_path / "responses.sqlite")
    store.put_error("k", Raw(503, b"x" * 10_000), Fault("server", "HTTP 503", retry=True), 1)
    store.flush()
    assert store.stored(["k"]) == set()
    assert store.error_counts() == {"server": 1}
    store.close()
    rows = sqlite3.connect(tmp_path / "responses.sqlite").execute("SELECT * FROM errors").fetchall()
    assert rows[0][:5] == ("k", 1, 503, "server", "HTTP 503")
    assert len(rows[0][5]) == 4096


def test_many_keys_are_looked_up_in_parts(tmp_path):
    store = ResponseStore(tmp_path / "responses.sqlite")
    keys = [f"k{n}" for n in range(2500)]
    for key in keys[::2]:
        store.put(key, Raw(200, b""), 1)
    store.flush()
    assert store.stored(keys) == set(keys[::2])
    store.close()


def test_a_file_that_is_no_store_is_said_to_be_damaged(tmp_path):
    path = tmp_path / "responses.sqlite"
    path.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(RunError, match="damaged"):
        ResponseStore(path, read_only=True).count()


def test_a_full_disk_is_one_line_and_loses_nothing_stored(tmp_path):
    path = tmp_path / "responses.sqlite"
    store = ResponseStore(path)
    store.put("k", Raw(200, b"kept"), 1)
    store.flush()
    store.close()
    # SQLite's own limit of pages stands in for the disk's: the same error code, a real write.
    connection = sqlite3.connect(path)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.close()
    store = ResponseStore(path, most_pages=pages + 1)

    def fill() -> None:
        for n in range(200):
            store.put(f"new{n}", Raw(200, b"x" * 5000), 1)
            store.flush()

    with pytest.raises(RunError, match=r"disk is full; free some and run the command again"):
        fill()
    with pytest.raises(RunError, match="full"):
        store.close()
    after = ResponseStore(path, read_only=True)
    assert after.responses(["k"])["k"].raw.body == b"kept"
    after.close()


def test_whoever_stores_more_than_the_disk_takes_waits_for_it(tmp_path, monkeypatch):
    """Large answers that come faster than they are written do not pile up in memory."""
    monkeypatch.setattr("vlsu.runs.store.store.MAX_PENDING", 2**20)
    size, on_disk = 2**18, 0
    store = ResponseStore(tmp_path / "responses.sqlite")
    for n in range(60):
        store.put(f"key {n}", Raw(200, bytes(size)), 1)
        on_disk += len(store.written())
        # What waits and what is being written, each with the one that was put on top.
        assert n + 1 - on_disk <= 2 * (2**20 // size + 2)
    store.close()
    assert ResponseStore(tmp_path / "responses.sqlite", read_only=True).count() == 60


def test_tokens_of_batches_are_summed_apart(tmp_path):
    with closing(ResponseStore(tmp_path / "responses.sqlite")) as store:
        for key, tokens, batched in (("a", 3, False), ("b", 5, True), ("c", 7, True)):
            store.put(key, Raw(200, b"{}"), 1)
            response = Response(Outcome.OK, "x", input_tokens=tokens)
            store.put_usage(key, "openai/m", response, batched=batched)
        store.flush()
        sums = [store.usage(batched=which)["openai/m"][0] for which in (None, False, True)]
    assert sums == [15, 3, 12]


def _as_it_lies(folder):
    return {
        each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in sorted(folder.iterdir())
    }


def test_reading_leaves_a_folder_as_it_was(tmp_path):
    path = tmp_path / "responses.sqlite"
    with closing(ResponseStore(path)) as store:
        for n in range(100):
            store.put(f"key {n}", Raw(200, b"kept"), 1)
    before = _as_it_lies(tmp_path)
    assert [*before] == ["responses.sqlite"]
    with closing(ResponseStore(path, read_only=True)) as reader:
        assert reader.count() == 100
        with closing(ResponseStore(path, read_only=True)) as another:
            assert another.responses(["key 7"])["key 7"].raw.body == b"kept"
    assert _as_it_lies(tmp_path) == before


def test_what_is_written_while_a_store_is_read_is_seen_and_stays(tmp_path):
    path = tmp_path / "responses.sqlite"
    ResponseStore(path).close()
    with closing(ResponseStore(path, read_only=True)) as reader:
        assert reader.count() == 0
        with closing(ResponseStore(path)) as store:
            store.put("a", Raw(200, b"kept"), 1)
            store.flush()
            with closing(ResponseStore(path, read_only=True)) as later:
                assert later.count() == 1
        assert reader.count() == 1
    with closing(ResponseStore(path, read_only=True)) as after:
        assert after.responses(["a"])["a"].raw.body == b"kept"
    assert [each.name for each in tmp_path.iterdir()] == ["responses.sqlite"]


def test_a_connection_to_read_changes_nothing(tmp_path):
    path = tmp_path / "responses.sqlite"
    ResponseStore(path).close()
    with closing(connect_read_only(path)) as connection:
        for change in ("DELETE FROM responses", "CREATE TABLE more (x)", "DROP TABLE responses"):
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                connection.execute(change)
