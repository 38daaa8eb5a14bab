"""A stage that is killed at any moment: what it was told is stored is there, and it goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vlsu.build.folder.store import Store

ROOT = Path(__file__).resolve().parents[3]
STAGE = """
import sys
from pathlib import Path
from tests.build.folder.made import PROMPT, keep, record
from vlsu.build.folder.store import Store

with Store(Path(sys.argv[1])) as store:
    prompt = store.add_prompt("concepts", PROMPT)
    for number in range(int(sys.argv[2])):
        (key,) = store.add([record("concepts", prompt, concept=str(number))])
        keep(store, key)
        print(key, flush=True)
"""


def start(path, number):
    command = [sys.executable, "-c", STAGE, str(path), str(number)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_killed_it_has_lost_nothing_and_the_same_command_goes_on(tmp_path):
    path, told = tmp_path / "build.sqlite", set()
    for after in (1, 7, 30):
        process = start(path, 10**6)
        told |= {process.stdout.readline().strip() for _ in range(after)}
        process.send_signal(signal.SIGKILL)
        told |= {line.strip() for line in process.stdout if line.endswith("\n")}
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        with Store(path, read_only=True) as store:
            assert told <= {each.key for each in store.records("concepts", kept=True)}
    number = len(told) + 10
    process = start(path, number)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0
    with Store(path, read_only=True) as store:
        kept = [each.key for each in store.records("concepts", kept=True)]
        assert store.records("concepts", kept=None) == []
    assert set(output.split()) <= set(kept)
    assert len(kept) == len(set(kept)) >= number


@pytest.mark.slow
def test_several_stages_write_at_a_time(tmp_path):
    path = tmp_path / "build.sqlite"
    Store(path).close()
    processes = [start(path, 60) for _ in range(3)]
    outputs = [process.communicate(timeout=600)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert outputs[0] == outputs[1] == outputs[2]
    with Store(path, read_only=True) as store:
        assert len(store.records("concepts", kept=True)) == 60
