"""Of a damaged store it is kept, where it can be read, how each response came to be there."""

import sqlite3
from contextlib import closing

import pytest

from vlsu.models import Outcome, Raw, Response
from vlsu.runs import ResponseStore
from vlsu.runs.store.maintenance import merged_into, pruned
from vlsu.runs.store.salvage import PAGE, readable_usage
from vlsu.runs.store.sharing import SharingStore
from vlsu.runs.store.tables import FORMER_SCHEMAS

SPEC = "openai/mock"
ANSWER = Response(Outcome.OK, "Safe", input_tokens=100, output_tokens=7)


def key(number: int) -> str:
    return f"{number:032x}"


def put(store: ResponseStore, number: int, **origin: bool) -> None:
    store.put(key(number), Raw(200, b'{"severity": "safe"}' * 20, 0.1), 1)
    store.put_usage(key(number), SPEC, ANSWER, **origin)


def without_head(path):
    data = bytearray(path.read_bytes())
    data[:100] = bytes(100)
    path.write_bytes(data)


@pytest.fixture
def paid(tmp_path):
    """A store of 300 responses of each origin, and what it says of them."""
    with closing(ResponseStore(tmp_path / "behind.sqlite")) as behind:
        for number in range(300):
            put(behind, number)
    path = tmp_path / "responses.sqlite"
    with closing(SharingStore(path, tmp_path / "behind.sqlite", only_read=True)) as store:
        store.stored([key(number) for number in range(300)])
        for number in range(300, 600):
            put(store, number)
        for number in range(600, 900):
            put(store, number)
        store.flush()
        for number in range(600, 900):  # as after a kill between the two
            store.put_usage(key(number), SPEC, ANSWER, batched=True)
    return path, said(path)


def said(path):
    with closing(ResponseStore(path)) as store:
        kinds = store.usage(batched=False), store.usage(batched=True), store.usage_taken_over()
        return tuple(found.get(SPEC, (0, 0))[:2] for found in kinds)


def test_batched_and_taken_over_responses_stay_so(paid, caplog):
    path, before = paid
    assert before == ((30_000, 2_100),) * 3
    without_head(path)
    assert said(path) == before
    assert "full price" not in caplog.text


def test_what_removed_responses_have_cost_is_kept(paid, tmp_path):
    """When it is merged, pruned once more and damaged, too."""
    path, before = paid
    kept = {key(number) for number in range(0, 900, 90)}

    def prune(needed):
        return pruned(path, lambda keys: needed & {*keys}, errors=False, agreed=lambda *_: True)

    assert prune(kept) == (890, 0)
    assert said(path) == before
    merged_into(tmp_path / "merged.sqlite", [path])
    assert said(tmp_path / "merged.sqlite") == before
    assert prune(set()) == (10, 0)
    assert said(path) == before
    with closing(ResponseStore(path, read_only=True)) as store:
        assert (store.count(), store.asked(), store.removed()) == (0, {}, {SPEC: 600})
        assert store.models() == {}
    with closing(ResponseStore(path)) as store:  # salvaging needs a row to know the file by
        put(store, 1000)
    without_head(path)
    direct, *others = said(path)
    assert direct == (before[0][0] + 100, before[0][1] + 7)
    assert (direct, *others)[1:] == before[1:]


def test_how_many_have_lost_it_is_said(paid, caplog):
    path, _ = paid
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'specs'"
        ).fetchone()
    data = bytearray(path.read_bytes())
    data[(root - 1) * PAGE : root * PAGE] = bytes(PAGE)
    path.write_bytes(data)
    without_head(path)
    assert said(path) == ((0, 0),) * 3
    assert "of 900 of the responses it cannot be read whether they came in a batch" in caplog.text
    assert "full price" in caplog.text


@pytest.mark.parametrize("schema", FORMER_SCHEMAS)
def test_batches_of_an_earlier_version_stay_so_too(schema, tmp_path):
    path = tmp_path / "responses.sqlite"
    with closing(ResponseStore(tmp_path / "other.sqlite")) as other:
        for number in range(4):
            put(other, number)
        other.flush()
        rows = other.rows([key(number) for number in range(4)])
    table = "former_responses" if "RENAME" in schema else "responses"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.executescript(schema)
        connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        for number in range(4):
            tokens = (key(number), SPEC, 100, 7, None, None, None)
            connection.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?)", tokens)
        connection.execute("INSERT INTO batched VALUES (?)", (key(3),))
        connection.commit()
    before = said(path)  # which continues the file
    assert before == ((300, 21), (100, 7), (0, 0))
    without_head(path)
    assert said(path) == before


def test_tokens_of_two_responses_under_one_number_are_those_of_none(paid):
    path, _ = paid
    with closing(sqlite3.connect(path)) as connection:
        numbers = dict(connection.execute("SELECT number, key FROM responses"))
    assert len([*readable_usage(path, numbers)]) == 900
    with closing(sqlite3.connect(path)) as connection:
        last = "UPDATE response_tokens SET input_tokens = 99 WHERE number = ?"
        assert connection.execute(last, (max(numbers),)).rowcount == 1
        connection.commit()
    clash = numbers | {max(numbers): numbers[min(numbers)]}
    assert len([*readable_usage(path, clash)]) == 898
