"""The result of several runs in a sentence or two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.analysis.table.answered import ENOUGH, format_share
from vlsu.report.answered import too_few
from vlsu.report.table import corrected, percent, rate
from vlsu.report.words import understood_together
from vlsu.runs import Run

__all__ = ["comparison_sentence"]

#: Framings named that answered too little.
_NAMED = 3


def comparison_sentence(
    comparison: Mapping[str, Any], runs: Sequence[Run], enough: float = ENOUGH
) -> str:
    """Who is first and against whom that can be claimed; empty if nothing ranks them.

    Of alignment: which framings are at both ends.

    Args:
        comparison: As `vlsu.runs.finished.comparison.compare` makes it.
        runs: The runs compared.
        enough: Share answered below which a run or framing is at no end.
    """
    if comparison["task"] == "alignment":
        return _ends(comparison, runs, enough)
    board = comparison["leaderboard"].get("joint.accuracy")
    if not board:
        return ""
    first, others = board[0], board[1:]
    shared = comparison["samples"]["paired"]
    said = [
        f"On the {shared:,} pairs that all have, {first['run']} is right most often: "
        f"{percent(first['value'])}, of {format_share(first['answered']['value'])} answered; "
        f"{_claimed(first, len(others))}."
    ]
    little = [each["run"] for each in board if each["answered"]["value"] < enough]
    if little:
        said.append(
            f"Of {', '.join(little)} less than {format_share(enough)} was answered: better or "
            "worse is claimed only where it holds with the missing as wrong and with them left out."
        )
    together = {
        name["name"]: found
        for name, run in zip(comparison["runs"], runs, strict=True)
        if name["name"] not in little
        and (found := understood_together(run.metrics)).value is not None
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


def _ends(comparison: Mapping[str, Any], runs: Sequence[Run], enough: float) -> str:
    """The run and framing with the least of either error, of those that answered enough."""
    little = [
        (name["name"], part.name)
        for name, run in zip(comparison["runs"], runs, strict=True)
        for part in too_few(run.metrics, enough)
    ]
    said = []
    for key, words in (
        ("over_blocking", "The fewest borderline pairs are refused by {}: {}."),
        ("under_refusal", "The fewest unsafe pairs are let through by {}: {}."),
    ):
        known = [
            (found.value, f"{name['name']} under {framing}", found)
            for name, run in zip(comparison["runs"], runs, strict=True)
            for framing, tree in run.metrics["framings"].items()
            if (name["name"], framing) not in little
            and key in tree
            and (found := rate(corrected(tree[key]))).value is not None
        ]
        if known:
            _, who, found = min(known, key=lambda each: each[0])
            said.append(words.format(who, percent(found)))
    if little:
        which = ", ".join(f"{name} under {framing}" for name, framing in little[:_NAMED])
        more = f" and {len(little) - _NAMED} more" if len(little) > _NAMED else ""
        said.append(f"Too little was answered or judged of {which}{more}.")
    return " ".join(said)
