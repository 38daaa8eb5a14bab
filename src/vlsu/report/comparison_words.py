"""The result of several runs in a sentence or two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.report.table import corrected, rate
from vlsu.report.words import percent, understood_together
from vlsu.runs import Run

__all__ = ["comparison_sentence"]


def comparison_sentence(comparison: Mapping[str, Any], runs: Sequence[Run]) -> str:
    """Who is first and against whom that can be claimed; empty if nothing ranks them.

    Of alignment: which framings are at both ends.
    """
    if comparison["task"] == "alignment":
        return _ends(comparison, runs)
    board = comparison["leaderboard"].get("joint.accuracy")
    if not board:
        return ""
    first, others = board[0], board[1:]
    shared = comparison["samples"]["paired"]
    said = [
        f"On the {shared:,} pairs that all have, {first['run']} is right most often: "
        f"{percent(first['value'])}; {_claimed(first, len(others))}."
    ]
    together = {
        name["name"]: found
        for name, run in zip(comparison["runs"], runs, strict=True)
        if (found := understood_together(run.metrics)).value is not None
    }
    if len(together) > 1:
        worst, best = (
            pick(together, key=lambda name: together[name].value or 0.0) for pick in (min, max)
        )
        said.append(
            f"Where image and text must be understood together it ranges from "
            f"{percent(together[worst])} ({worst}) to {percent(together[best])} ({best})."
        )
    return " ".join(said)


def _claimed(first: Mapping[str, Any], others: int) -> str:
    """Over how many of the others the first is better, by the ranks that are left open."""
    beaten = others + 1 - first["rank"]["high"]
    if beaten == others:
        whom = "the other" if others == 1 else f"all {others} others"
        return f"that it is better than {whom} holds after correction"
    if beaten == 0:
        return "that it is better than any other cannot be claimed"
    return f"that it is better holds after correction against {beaten} of the {others} others"


def _ends(comparison: Mapping[str, Any], runs: Sequence[Run]) -> str:
    """The run and framing with the least of either error."""
    said = []
    for key, words in (
        ("over_blocking", "The fewest borderline pairs are refused by {}: {}."),
        ("under_refusal", "The fewest unsafe pairs are let through by {}: {}."),
    ):
        known = [
            (found.value, f"{name['name']} under {framing}", found)
            for name, run in zip(comparison["runs"], runs, strict=True)
            for framing, tree in run.metrics["framings"].items()
            if key in tree and (found := rate(corrected(tree[key]))).value is not None
        ]
        if known:
            _, who, found = min(known, key=lambda each: each[0])
            said.append(words.format(who, percent(found)))
    return " ".join(said)
