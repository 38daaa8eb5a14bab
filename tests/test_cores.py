"""Processors that this process may use."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vlsu._cores import cores, cores_of_groups


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no way to say which")
def test_processors_that_this_process_may_not_use_do_not_count():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    code += "from vlsu._cores import cores; print(cores())"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert int(done.stdout) == 1


def test_cores_are_counted_where_the_system_does_not_say_which_may_be_used(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores() == min(os.cpu_count() or 1, cores_of_groups())


def test_time_that_a_container_is_not_given_is_that_of_no_processor(tmp_path: Path):
    own, groups = tmp_path / "own", tmp_path / "groups"
    for name, text in {
        "cpu.max": "max 100000\n",
        "work.slice/cpu.max": "250000 100000\n",
        "work.slice/job/cpu.max": "800000 100000\n",
        "cpu/job/cpu.cfs_quota_us": "50000\n",
        "cpu/job/cpu.cfs_period_us": "100000\n",
        "cpu/free/cpu.cfs_quota_us": "-1\n",
        "cpu/free/cpu.cfs_period_us": "100000\n",
        "odd/cpu.max": "much\n",
    }.items():
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(text)
    for text, expected in {
        "0::/work.slice/job\n": 3,
        "0::/\n": math.inf,
        "0::/nowhere\n": math.inf,
        "0::/odd\n": math.inf,
        "5:cpuset:/job\n4:cpu,cpuacct:/job\n": 1,
        "4:cpu:/free\n0::/\n": math.inf,
        "\n": math.inf,
    }.items():
        own.write_text(text)
        assert cores_of_groups(own, groups) == expected
    assert cores_of_groups(tmp_path / "none", groups) == math.inf
