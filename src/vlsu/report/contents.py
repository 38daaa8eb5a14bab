"""All that a report of one run shows: its tables and its charts, made once for every format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vlsu.analysis.table.answered import format_share
from vlsu.errors import VlsuError
from vlsu.policy import MODALITIES, Policy, default_policy
from vlsu.report.alignment.charts import alignment_charts
from vlsu.report.alignment.tables import alignment_tables
from vlsu.report.answered import answered_note
from vlsu.report.charts.dots import Spec, captioned
from vlsu.report.charts.legible import legible
from vlsu.report.judgments import run_cells, scan_judgments
from vlsu.report.page.usage import latency_chart, usage, usage_table
from vlsu.report.settings import settings_table
from vlsu.report.table import Table
from vlsu.report.understanding.breakdown import breakdown
from vlsu.report.understanding.charts import understanding_charts
from vlsu.report.understanding.tables import understanding_tables
from vlsu.runs import Run

__all__ = ["Contents", "category_titles", "contents"]


@dataclass(frozen=True, slots=True)
class Contents:
    """Tables and charts by name, in the order of the report; those without a row are not there."""

    tables: Mapping[str, Table]
    charts: Mapping[str, Spec]


def contents(run: Run, *, redact: bool = False) -> Contents:
    """What a report of this run shows.

    Args:
        run: A finished run.
        redact: Leave out what is not for others: the server's name.

    Raises:
        RunError: The run is not finished, or its judgments are damaged.
    """
    alignment = run.record["task"] == "alignment"
    tables, charts = _alignment(run) if alignment else _understanding(run)
    by = "framing" if alignment else "modality"
    names = tuple(run.metrics["framings"]) if alignment else MODALITIES
    if used := usage(scan_judgments(run), by, names):
        tables.append(usage_table(used, by))
        charts["latency"] = latency_chart(used, by)
    tables.append(settings_table(run, redact=redact))
    caption = answered_note(run.metrics)
    return Contents(
        {table.name: table for table in tables if table.rows},
        {
            name: captioned(legible(chart), _caption(name, run, caption))
            for name, chart in charts.items()
        },
    )


def _caption(chart: str, run: Run, answered: str) -> str:
    """What share of the judgments a chart rests on; empty if it is all."""
    kind, _, modality = chart.partition("-")
    part = run.metrics.get("calibration", {}).get(modality) if kind == "reliability" else None
    if not part or not part["without_p"]:
        return answered
    share = format_share(part["n"] / (part["n"] + part["without_p"]))
    return f"over the {share} of judgments that have a p_unsafe"


def _understanding(run: Run) -> tuple[list[Table], dict[str, Spec]]:
    metrics, titles = run.metrics, category_titles(run)
    parts = breakdown(run_cells(run))
    tables = understanding_tables(metrics, run.record, parts, titles)
    return list(tables), understanding_charts(metrics, parts, titles)


def _alignment(run: Run) -> tuple[list[Table], dict[str, Spec]]:
    titles = category_titles(run)
    return list(alignment_tables(run, titles)), alignment_charts(run.metrics, titles)


def category_titles(run: Run) -> dict[str, str]:
    """``{"C9": "C9: Interpersonal Violence"}`` by the run's policy; empty if it is not at hand."""

    def of_run(policy: Policy) -> bool:
        return bool(policy.hash == run.record["policy"]["hash"])

    policy = default_policy()
    if not of_run(policy):
        try:
            policy = run.dataset.policy
        except VlsuError:
            return {}
        if not of_run(policy):
            return {}
    return {category.id: category.title for category in policy.categories}
