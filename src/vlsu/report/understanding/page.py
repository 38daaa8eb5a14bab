"""The page of an understanding run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlsu.analysis.table.answered import ENOUGH
from vlsu.policy import Family, Severity
from vlsu.report.answered import answered_value
from vlsu.report.contents import Contents, contents
from vlsu.report.export.formats import references
from vlsu.report.notice import notice
from vlsu.report.page.page import Listed, description_of, listed, render
from vlsu.report.table import rate
from vlsu.report.understanding.findings import findings
from vlsu.report.understanding.samples import COLUMNS, ORDER, sample_entries, worst_first
from vlsu.report.understanding.tables import FAMILY_MEANING, SCORES, graded
from vlsu.report.words import date_of, headline_sentence, notes
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


def understanding_page(
    run: Run,
    beside: str,
    *,
    redact: bool = False,
    live: Listed | None = None,
    enough: float = ENOUGH,
) -> tuple[str, bool]:
    """The page of one run.

    Args:
        run: A finished run of understanding.
        beside: Name of the file that will hold all samples if the page cannot.
        redact: As in `vlsu.report.write_report`.
        live: The list of samples of a page that is served; else they are put into it.
        enough: The share answered below which the page opens with it.

    Returns:
        The page, and whether it needs that file.

    Raises:
        RunError: The run is not finished.
    """
    metrics, found = run.metrics, contents(run, redact=redact)
    samples = live or _samples(run, beside, redact=redact)
    remarks = (*notes(run), "" if redact else description_of(run))
    diagnosed = any(name.startswith(("borderline-", "over-", "minimal-")) for name in found.charts)
    page = render(
        "understanding.html.jinja",
        found.charts,
        title=f"{run.record['model']['spec']} on {run.record['dataset']['name']}",
        record=run.record,
        metrics=metrics,
        tables=found.tables,
        notice=notice(run, enough),
        headline=headline_sentence(metrics, enough),
        date=date_of(run),
        remarks=[remark for remark in remarks if remark],
        findings=findings(metrics, enough),
        families=_families(metrics),
        scores=_scores(metrics),
        severities=[severity.label for severity in Severity],
        asked=graded(metrics),
        diagnosed=diagnosed,
        contents=_sections(found, diagnosed=diagnosed),
        listed=samples,
        order=ORDER,
        selects=_FILTERS,
        bibtex=references([run]),
    )
    return page, bool(samples.beside)


def _sections(found: Contents, *, diagnosed: bool) -> list[tuple[str, str]]:
    """The sections that this run has."""
    there = {
        "patterns": "patterns" in found.charts,
        "parts": "flow" in found.charts,
        "late-fusion": "late-fusion" in found.charts,
        "modalities": "modalities" in found.charts,
        "borderline": diagnosed,
        "categories": "severities" in found.charts,
        "calibration": "calibration" in found.tables,
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
            "answered": answered_value(found[family.value]),
        }
        for family in Family
    ]


def _scores(metrics: Mapping[str, Any]) -> list[dict[str, object]]:
    """The scores of the pair, or of what else was asked about."""
    found = graded(metrics)
    if "joint" in found:
        joint = metrics["joint"]
        return [
            {
                "name": SCORES[key],
                "rate": rate(joint[key]),
                "what": words,
                "answered": answered_value(joint),
            }
            for key, words in _WHAT.items()
        ]
    return [
        {
            "name": f"{SCORES[key]}, {m}",
            "rate": rate(metrics[m][key]),
            "what": f"of {m}s alone",
            "answered": answered_value(metrics[m]),
        }
        for m in found
        for key in ("accuracy", "f1_macro")
    ]


def _samples(run: Run, beside: str, *, redact: bool) -> Listed:
    ids = worst_first(run)
    entries = sample_entries(run, ids)
    return listed(run, entries, total=len(ids), columns=COLUMNS, beside=beside, redact=redact)
