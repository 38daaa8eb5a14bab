"""Two families of tests, the second tested only once all of the first is rejected."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from vlsu.analysis.stats.holm import holm

__all__ = ["gatekeeping"]

T = TypeVar("T", bound=Hashable)


def gatekeeping(primary: Mapping[T, float], secondary: Mapping[T, float]) -> dict[T, float]:
    """Adjusted p of both families, whose chance of any false claim in either is bounded together.

    The first is tested by Holm at the full level. Its level passes on to the second only where all
    of it is rejected, and then in full, again by Holm. In the graphs of Bretz, Maurer, Brannath and
    Posch (2009) these are tests of the first family that pass their level to each other, and to
    those of the second over edges of a weight next to 0.

    Args:
        primary: p by name. Without any, the second family is tested at the full level.
        secondary: p by name, of names that `primary` has not.

    Example:
        >>> gatekeeping({"f1": 0.03}, {"accuracy": 0.001, "recall": 0.02})
        {'f1': 0.03, 'accuracy': 0.03, 'recall': 0.03}
    """
    first = holm(primary)
    gate = max(first.values(), default=0.0)
    return first | {name: max(gate, p) for name, p in holm(secondary).items()}
