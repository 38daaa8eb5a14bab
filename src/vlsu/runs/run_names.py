"""What runs are called where several are shown together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vlsu.errors import UsageError
from vlsu.runs.run import Run
from vlsu.runs.setups import differences

__all__ = ["comparison_names", "require_each_once", "run_names"]


def run_names(runs: Sequence[Run]) -> list[str]:
    """A name for each run: its model's, and how it was asked where another run has the same model.

    Where that does not distinguish two runs, their folders are added, else numbers.
    """
    specs = [str(run.record["model"]["spec"]) for run in runs]
    names = list(specs)
    for spec in {spec for spec in specs if specs.count(spec) > 1}:
        alike = [number for number, each in enumerate(specs) if each == spec]
        setups = differences([runs[number].record for number in alike])
        folders = [runs[number].path.resolve().name for number in alike]
        for number, setup, folder in zip(alike, setups, folders, strict=True):
            if not setup or setups.count(setup) > 1:
                setup = f"{setup}, {folder}" if setup else folder
            names[number] = f"{spec} ({setup})"
    often, seen = Counter(names), Counter[str]()
    for number, name in enumerate(names):
        seen[name] += 1
        if often[name] > 1:
            names[number] = f"{name} {seen[name]}"
    return names


def comparison_names(runs: Sequence[Run]) -> list[str]:
    """The names of runs in a comparison's JSON: their models', if no two have one.

    Else their folders', else their paths.

    Raises:
        UsageError: A folder is given twice.
    """
    paths = require_each_once(runs)
    choices = (
        [str(run.record["model"]["spec"]) for run in runs],
        [path.name for path in paths],
        [str(path) for path in paths],
    )
    return next(names for names in choices if len(set(names)) == len(names))


def require_each_once(runs: Sequence[Run]) -> list[Path]:
    """The folders of runs, none of which is given twice, by whatever name.

    Raises:
        UsageError: One is.
    """
    paths = [run.path.resolve() for run in runs]
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(f"{path} is given twice; give each run once")
    return paths
