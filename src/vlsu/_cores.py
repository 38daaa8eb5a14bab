"""How many processors there are to work on."""

from __future__ import annotations

import math
import os
from pathlib import Path

__all__ = ["cores", "cores_of_groups"]


def cores() -> int:
    """Processors that this process may use: a scheduler or a container may allow it but some."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1  # macOS
    return int(max(1, min(allowed, cores_of_groups())))


def cores_of_groups(
    own: Path = Path("/proc/self/cgroup"), folder: Path = Path("/sys/fs/cgroup")
) -> float:
    """Processors' worth of time that Linux control groups allow, rounded up; infinite for no limit.

    A container that is given two processors' time sees all processors of its machine.

    Args:
        own: The file that says which groups this process is in.
        folder: Where groups are folders, of version 2, or of version 1 below ``cpu``.
    """
    try:
        lines = own.read_text(errors="replace").splitlines()
    except OSError:  # no Linux
        return math.inf
    least = math.inf
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        files: tuple[str, ...] = ("cpu.max",)
        if not controllers:
            place = folder
        elif "cpu" in controllers.split(","):
            place, files = folder / "cpu", ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        else:
            continue
        for part in ("", *path.split("/")):  # what a group may, all in it may together
            place /= part
            least = min(least, _cores_of(place, files))
    return least


def _cores_of(group: Path, files: tuple[str, ...]) -> float:
    try:
        quota, period = " ".join((group / file).read_text() for file in files).split()
        return math.inf if quota in ("max", "-1") else math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):  # such as a group that is not shown here
        return math.inf
