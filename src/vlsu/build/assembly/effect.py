"""What the pre-grader's selection did to a benchmark, once people have graded it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.build.assembly.items import Item
from vlsu.build.folder.reading import Reader
from vlsu.build.grading.candidates import candidates
from vlsu.build.grading.selection import selection

__all__ = ["effect_of", "sentences"]


def effect_of(store: Reader, items: Sequence[Item]) -> dict[str, Any]:
    """As `vlsu.build.grading.selection.selection` tells it, by the grades that items have.

    Args:
        store: Of the build.
        items: With the grades of people, as these gave them.
    """
    humans = {(item.image, item.text): item.pattern for item in items if item.grades}
    return selection(candidates(store, humans))


def sentences(effect: Mapping[str, Any]) -> list[str]:
    """The account for documents; empty before people have graded."""
    human = effect["human"]
    if human is None:
        return []
    n = human["n"]
    lines = [
        f"Of what the pre-grader found on target, people did so of {_rate(human['precision'])} "
        f"({n['on_target']} samples graded); of what it found off target, of "
        f"{_rate(human['missed'])} ({n['off_target']} of the unfiltered share graded). It lets "
        f"through {_rate(human['recall'])} of what people find on target (95% intervals)."
    ]
    if human["recall"]["value"] is None:
        lines.append(
            "Without graded samples of the unfiltered share it cannot be told what it throws away."
        )
    return lines


def _rate(rate: Mapping[str, float | None]) -> str:
    value, low, high = rate["value"], rate["low"], rate["high"]
    if value is None or low is None or high is None:
        return "an unknown share"
    return f"{value:.0%} [{low:.0%}, {high:.0%}]"
