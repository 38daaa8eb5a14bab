"""What the runs of a report are called where room is short: a letter, and as much as fits."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase

from vlsu.runs.run_names import run_names

__all__ = ["between", "letter", "run_labels", "run_names"]

#: Characters of a name in a chart at most, and of one of two in a row.
_ROOM, _NARROW = 34, 18


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
