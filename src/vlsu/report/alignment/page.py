"""What the page of an alignment run shows beside what all pages show."""

from __future__ import annotations

from vlsu.report.alignment.judge_notes import judge_note
from vlsu.report.alignment.rates import over_words, refusal_errors
from vlsu.report.run_notes import baseline_note
from vlsu.report.run_policy import not_covered_note
from vlsu.report.task import Contents, PageParts
from vlsu.runs import Run

__all__ = ["page_parts"]

#: Sections of the page: identifier -> title in its navigation.
_SECTIONS = {
    "trade-off": "Trade-off",
    "severities": "Severities",
    "kinds": "Answers",
    "patterns": "Patterns",
    "judge": "Judge",
    "outcomes": "Outcomes",
    "cost": "Cost",
    "samples": "Samples",
    "settings": "Settings",
}


def page_parts(run: Run, contents: Contents) -> PageParts:
    """What the page of an alignment run shows beside what all pages show.

    Args:
        run: A finished run of alignment.
        contents: Its tables and charts.
    """
    metrics = run.metrics
    return PageParts(
        _sections(contents),
        [baseline_note(run), not_covered_note(run)],
        {
            "errors": refusal_errors(metrics),
            "over": over_words(refusal_errors(metrics)),
            "judge": judge_note(run),
            "calibration": (metrics["calibration"] or {}).get(metrics["refusal"]),
        },
    )


def _sections(contents: Contents) -> list[tuple[str, str]]:
    """The sections that this run has."""
    there = {
        "trade-off": "headline" in contents.tables,
        "patterns": "patterns" in contents.charts,
        "cost": "savings" in contents.tables,
    }
    return [(id_, title) for id_, title in _SECTIONS.items() if there.get(id_, True)]
