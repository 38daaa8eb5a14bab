"""A damaged store is replaced by what can be read of it, whenever the process is killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from vlsu.models.base import Raw
from vlsu.runs import ResponseStore

pytestmark = pytest.mark.slow

#: Opens a store, and dies before the step with that number among those that change the folder.
DYING = """
import os, sys
from pathlib import Path
left = int(sys.argv[2])
def watch(event, arguments):
    global left
    named = event in ("os.rename", "os.remove", "sqlite3.connect")
    if named and "responses.sqlite" in str(arguments[0]):
        left -= 1
        if left == 0:
            os._exit(9)
sys.addaudithook(watch)
from vlsu.runs import ResponseStore
ResponseStore(Path(sys.argv[1]) / "responses.sqlite").close()
"""


def keys(first: int, count: int) -> list[str]:
    return [f"{number:032x}" for number in range(first, first + count)]


@pytest.fixture(scope="module")
def damaged(tmp_path_factory) -> Path:
    """A store without its head; half of its responses are in the log that a kill has left."""
    folder = tmp_path_factory.mktemp("damaged")
    file = folder / "made" / "responses.sqlite"
    file.parent.mkdir()
    for first in (0, 100):
        with closing(ResponseStore(file)) as store:
            for key in keys(first, 100):
                store.put(key, Raw(200, f"an answer to {key}".encode()), 1)
            store.flush()
            if first:
                shutil.copytree(file.parent, folder / "left")
    for name in ("responses.sqlite", "responses.sqlite-wal"):
        with (folder / "left" / name).open("r+b") as left:
            left.write(bytes(32))
    return folder / "left"


def dying(folder: Path, step: int) -> int:
    return subprocess.run(
        [sys.executable, "-c", DYING, folder, str(step)], env=os.environ, check=False
    ).returncode


def test_killed_at_any_step_nothing_is_lost(damaged, tmp_path):
    before = {each.name: each.read_bytes() for each in damaged.iterdir()}
    step, status = 0, 9
    while status == 9:
        step += 1
        folder = tmp_path / f"killed-{step}"
        shutil.copytree(damaged, folder)
        status = dying(folder, step)
        dying(folder, 1 + step % 7)  # and the next start as well, somewhere
        with closing(ResponseStore(folder / "responses.sqlite")) as store:
            assert store.stored(keys(0, 200)) == {*keys(0, 200)}, step
        names = {each.name for each in folder.iterdir()}
        kept = "responses.sqlite.damaged-1"
        assert names - {f"{kept}-shm"} == {"responses.sqlite", kept, f"{kept}-wal"}, step
        for suffix in ("", "-wal"):
            found = (folder / f"{kept}{suffix}").read_bytes()
            assert found == before[f"responses.sqlite{suffix}"], step
    assert status == 0
    assert step > 6


def test_what_was_read_of_an_interrupted_replacement_leaves_nothing(damaged, tmp_path):
    for step in range(1, 20):
        folder = tmp_path / f"killed-{step}"
        shutil.copytree(damaged, folder)
        dying(folder, step)
        if (folder / "responses.sqlite.replacing").exists():
            break
    file = folder / "responses.sqlite"
    with closing(ResponseStore(file, read_only=True)) as store:
        assert store.stored(keys(0, 200)) == {*keys(0, 200)}
    ResponseStore(file).close()
    assert not list(folder.glob("*.replacing*"))
