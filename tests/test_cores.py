"""Processors that this process may use."""

import os
import subprocess
import sys

import pytest

from vlsu._cores import cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no way to say which")
def test_processors_that_this_process_may_not_use_do_not_count():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    code += "from vlsu._cores import cores; print(cores())"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert int(done.stdout) == 1


def test_cores_are_counted_where_the_system_does_not_say_which_may_be_used(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores() == os.cpu_count()
