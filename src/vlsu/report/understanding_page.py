"""The page of an understanding run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlsu.policy import MODALITIES, Family, Severity
from vlsu.report.breakdown import breakdown
from vlsu.report.charts import understanding_charts
from vlsu.report.findings import findings
from vlsu.report.judgments import run_cells, scan_judgments
from vlsu.report.page import description_of, listed, render
from vlsu.report.samples import COLUMNS, ORDER, sample_entries, worst_first
from vlsu.report.settings import settings_table
from vlsu.report.table import rate
from vlsu.report.tables import category_titles
from vlsu.report.understanding_tables import FAMILY_MEANING, SCORES, graded, understanding_tables
from vlsu.report.usage import latency_chart, usage, usage_table
from vlsu.report.words import baseline_note, date_of, headline_sentence
from vlsu.runs import Run

__all__ = ["understanding_page"]

#: Sections of the page: identifier -> title in its navigation.
_SECTIONS = {
    "patterns": "Patterns",
    "parts": "Parts and pair",
    "late-fusion": "Late fusion",
    "modalities": "Modalities",
    "borderline": "Errors",
    "categories": "Categories",
    "calibration": "Calibration",
    "outcomes": "Outcomes",
    "samples": "Samples",
    "settings": "Settings",
}
#: What of a sample can be filtered by: facet, label, whether it is of its parts.
_FILTERS = (
    ("pattern", "Pattern", False),
    ("family", "Family", False),
    ("category", "Category", False),
    ("gold-joint", "Pair is", False),
    ("said-joint", "Pair called", False),
    ("image", "Image", False),
    ("text", "Text", False),
    ("joint", "Pair", False),
    ("outcome", "Outcome", False),
)
_WHAT = {
    "accuracy": "of all pairs",
    "f1_macro": "safe, borderline, unsafe alike",
    "f1_binary": "unsafe against the rest",
    "f1_binary_strict": "borderline and unsafe against safe",
}


def understanding_page(run: Run, beside: str) -> tuple[str, bool]:
    """The page of one run.

    Args:
        run: A finished run of understanding.
        beside: Name of the file that will hold all samples if the page cannot.

    Returns:
        The page, and whether it needs that file.

    Raises:
        RunError: The run is not finished.
    """
    metrics, titles = run.metrics, category_titles(run)
    parts = breakdown(run_cells(run))
    charts = understanding_charts(metrics, parts, titles)
    tables = {t.name: t for t in understanding_tables(metrics, run.record, parts, titles)}
    tables["settings"] = settings_table(run)
    if used := usage(scan_judgments(run), "modality", MODALITIES):
        charts["latency"] = latency_chart(used, "modality")
        tables["usage"] = usage_table(used, "modality")
    ids = worst_first(run)
    samples = listed(run, sample_entries(run, ids), total=len(ids), columns=COLUMNS, beside=beside)
    diagnosed = [name for name in charts if name.startswith(("borderline-", "over-", "minimal-"))]
    page = render(
        "understanding.html.jinja",
        charts,
        title=f"{run.record['model']['spec']} on {run.record['dataset']['name']}",
        record=run.record,
        metrics=metrics,
        tables=tables,
        headline=headline_sentence(metrics),
        date=date_of(run),
        remarks=[note for note in (baseline_note(run), description_of(run)) if note],
        findings=findings(metrics),
        families=_families(metrics),
        scores=_scores(metrics),
        severities=[severity.label for severity in Severity],
        asked=graded(metrics),
        diagnosed=diagnosed,
        contents=_contents(charts, tables, diagnosed),
        listed=samples,
        order=ORDER,
        selects=_FILTERS,
    )
    return page, samples.shown < samples.total


def _contents(
    charts: Mapping[str, object], tables: Mapping[str, object], diagnosed: list[str]
) -> list[tuple[str, str]]:
    """The sections that this run has."""
    there = {
        "patterns": "patterns" in charts,
        "parts": "flow" in charts,
        "late-fusion": "late-fusion" in charts,
        "modalities": "modalities" in charts,
        "borderline": bool(diagnosed),
        "categories": "severities" in charts,
        "calibration": "calibration" in tables,
    }
    return [(id_, title) for id_, title in _SECTIONS.items() if there.get(id_, True)]


def _families(metrics: Mapping[str, Any]) -> list[dict[str, object]]:
    found = metrics["families"]
    if not any(part["n"] for part in found.values()):
        return []
    return [
        {
            "family": family.value,
            "meaning": FAMILY_MEANING[family],
            "accuracy": rate(found[family.value]["accuracy"]),
            "n": found[family.value]["n"],
        }
        for family in Family
    ]


def _scores(metrics: Mapping[str, Any]) -> list[dict[str, object]]:
    """The scores of the pair, or of what else was asked about."""
    found = graded(metrics)
    if "joint" in found:
        joint = metrics["joint"]
        return [
            {"name": SCORES[key], "rate": rate(joint[key]), "what": words}
            for key, words in _WHAT.items()
        ]
    return [
        {"name": f"{SCORES[key]}, {m}", "rate": rate(metrics[m][key]), "what": f"of {m}s alone"}
        for m in found
        for key in ("accuracy", "f1_macro")
    ]
