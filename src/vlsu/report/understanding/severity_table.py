"""A rate by gold category and severity of the pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vlsu.analysis.results import Metrics, SeverityPart
from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.understanding.breakdown import NO_CATEGORY
from vlsu.report.table import ABSENT, Table, format_rate
from vlsu.report.understanding.modalities import severities_of

__all__ = ["severity_table"]


def severity_table(
    metrics: Metrics,
    titles: Mapping[str, str],
    title: str,
    rate: Callable[[SeverityPart], Rate],
    meaning: str,
) -> Table:
    """The table.

    Args:
        metrics: Of a run.
        titles: Category -> its title.
        title: Of the table.
        rate: What is shown of each category and severity.
        meaning: What the rate is, as a sentence.
    """
    graded_by = severities_of(metrics)
    return Table(
        "severities",
        title,
        ("category", *(f"{s.label} [95% interval]" for s in graded_by), "n"),
        tuple(
            (
                titles.get(category, category),
                *(
                    format_rate(rate(parts[s.label])) if s.label in parts else ABSENT
                    for s in graded_by
                ),
                ", ".join(str(parts[s.label].n) if s.label in parts else "0" for s in graded_by),
            )
            for category, parts in metrics.severities.items()
        ),
        f"{meaning} {NO_CATEGORY}: the dataset gives none, as of safe pairs. "
        f"n: {', '.join(s.label for s in graded_by)}.",
    )
