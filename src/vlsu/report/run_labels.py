"""What the runs of a report are called where room is short: a letter, and as much as fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from string import ascii_uppercase

from vlsu.runs import Run
from vlsu.runs.setups import differences

__all__ = ["between", "letter", "run_labels", "run_names"]

#: Characters of a name in a chart at most, and of one of two in a row.
_ROOM, _NARROW = 34, 18


def run_names(runs: Sequence[Run]) -> list[str]:
    """A name for each run: its model's, and how it was asked where another run has the same model.

    Runs that nothing of that distinguishes are named by their folders, else by numbers.
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


def letter(number: int) -> str:
    """The letter of the run at this place: A to Z, then A2, B2 and so on."""
    round_, place = divmod(number, len(ascii_uppercase))
    return ascii_uppercase[place] + (str(round_ + 1) if round_ else "")


def run_labels(names: Sequence[str]) -> list[str]:
    """Letter and name of each run; a long name loses its middle, and no two labels are alike.

    Of runs of one model, only how each was asked.
    """
    models = {name.partition(" (")[0] for name in names}
    if len(names) > 1 and len(models) == 1:
        model = models.pop()
        names = [name.removeprefix(f"{model} (").removesuffix(")") for name in names]
    return [f"{letter(n)} {_shortened(name)}" for n, name in enumerate(names)]


def between(second: str, first: str) -> str:
    """What the difference of two runs is called, from their labels: the second minus the first."""

    def briefly(label: str) -> str:
        known_by, _, name = label.partition(" ")
        return f"{known_by} {_shortened(name.rpartition('/')[2], _NARROW)}"

    return f"{briefly(second)} − {briefly(first)}"


def _shortened(name: str, room: int = _ROOM) -> str:
    if len(name) <= room:
        return name
    tail = room // 3
    return f"{name[: room - tail - 1].rstrip('-_ /')}…{name[-tail:].lstrip('-_ /')}"
