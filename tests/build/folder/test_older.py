"""Builds of an older vlsu, whose database lacks tables that came later."""

from __future__ import annotations

import sqlite3

import pytest

from tests.build.folder.made import chain
from vlsu.build.folder.build import init, open_build, status
from vlsu.build.folder.demand import demand
from vlsu.build.folder.store import Store
from vlsu.errors import BuildError
from vlsu.policy import default_policy


@pytest.fixture
def build(tmp_path):
    made = init(tmp_path / "b", default_policy())
    with made.store() as store:
        chain(store, concept="one")
    return made


def run(path, script):
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()


@pytest.mark.parametrize("tables", [["work"], ["work", "outcomes", "tries"], ["calls"]])
def test_tables_that_it_lacks_are_empty_until_something_is_written(build, tables):
    before = status(build)
    file = build.folder / "build.sqlite"
    run(file, "".join(f"DROP TABLE {name};" for name in tables))
    held = file.read_bytes()
    found = status(open_build(build.folder))
    assert found["cells"] == before["cells"]
    assert found["stages"]["concepts"]["starts"] == 0
    with Store(file, read_only=True) as store:
        assert demand(build, store).cells
    assert file.read_bytes() == held
    with build.store() as store:
        store.add_work("concepts", 0.0, 1.0)
    assert status(build)["stages"]["concepts"]["starts"] == 1


@pytest.mark.parametrize("script", ["DROP TABLE records;", None])
def test_one_without_records_is_no_builds_however_empty(build, script):
    file = build.folder / "build.sqlite"
    if script is None:
        file.write_bytes(b"")
    else:
        run(file, f"PRAGMA foreign_keys=OFF; {script}")
    with pytest.raises(BuildError, match="it holds no records"):
        status(build)
