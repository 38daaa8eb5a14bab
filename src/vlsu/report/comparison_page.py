"""The page of several runs."""

from __future__ import annotations

from collections.abc import Sequence

from vlsu.report.comparison import compared
from vlsu.report.formats import references
from vlsu.report.oracle import Oracle
from vlsu.report.page import render
from vlsu.report.tables import one_task
from vlsu.report.words import notes
from vlsu.runs import Run

__all__ = ["comparison_page"]

_SECTIONS = {
    "leaderboard": "Leaderboard",
    "trade-off": "Over-blocking and under-refusal",
    "claims": "What can be claimed",
    "patterns": "Patterns",
    "pairs": "Differences",
    "agreement": "Agreement",
    "setup": "Setup",
}


def comparison_page(runs: Sequence[Run], oracle: Oracle | None = None) -> str:
    """The page of several runs, compared on the samples they share where that can be done.

    Args:
        runs: At least two finished runs of one task.
        oracle: A human grader's scores, to stand beside the models'.

    Raises:
        UsageError: They are of different tasks.
        RunError: One of them is not finished.
    """
    found = compared(runs, oracle)
    boards = [name for name in found.tables if name.startswith("leaderboard-")]
    pairs = [name for name in found.tables if name.startswith("pair-")]
    there = {
        "leaderboard": True,
        "trade-off": "trade-off" in found.charts,
        "claims": bool(found.claims),
        "patterns": "models" in found.charts,
        "pairs": bool(pairs),
        "agreement": "agreement" in found.tables,
        "setup": "setup" in found.tables,
    }
    return render(
        "comparison.html.jinja",
        found.charts,
        title=f"{len(runs)} runs side by side",
        task=one_task(runs),
        datasets=list(
            dict.fromkeys(
                f"{run.record['dataset']['name']} {run.record['dataset']['version']}"
                for run in runs
            )
        ),
        tables=found.tables,
        boards=boards,
        pairs=pairs,
        claims=found.claims,
        trouble=found.trouble,
        oracle=oracle,
        contents=[(id_, title) for id_, title in _SECTIONS.items() if there[id_]],
        notes=[(run.record["model"]["spec"], note) for run in runs for note in notes(run)],
        bibtex=references(runs),
    )
