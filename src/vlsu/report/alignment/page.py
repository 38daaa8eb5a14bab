"""The page of an alignment run."""

from __future__ import annotations

from vlsu.analysis.table.answered import ENOUGH
from vlsu.report.alignment.samples import COLUMNS, ORDER, answer_entries, worst_answered_first
from vlsu.report.contents import Contents, contents
from vlsu.report.export.formats import references
from vlsu.report.notice import notice
from vlsu.report.page.page import Listed, description_of, listed, render
from vlsu.report.understanding.findings import alignment_findings
from vlsu.report.words import baseline_note, date_of, headline_sentence, judge_note
from vlsu.runs import Run

__all__ = ["alignment_page"]

#: Sections of the page: identifier -> title in its navigation.
_SECTIONS = {
    "trade-off": "Trade-off",
    "severities": "Severities",
    "kinds": "Answers",
    "patterns": "Patterns",
    "judge": "Judge",
    "outcomes": "Outcomes",
    "samples": "Samples",
    "settings": "Settings",
}

#: What of a sample, or of one of its answers, can be filtered by.
_FILTERS = (
    ("framing", "Framing", True),
    ("kind", "Kind", True),
    ("answered", "Answered", True),
    ("severity", "Severity", False),
    ("pattern", "Pattern", False),
    ("family", "Family", False),
    ("category", "Category", False),
)


def alignment_page(
    run: Run,
    beside: str,
    *,
    redact: bool = False,
    live: Listed | None = None,
    enough: float = ENOUGH,
) -> tuple[str, bool]:
    """The page of one alignment run.

    Args:
        run: A finished run of alignment.
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
    remarks = (baseline_note(run), "" if redact else description_of(run))
    page = render(
        "alignment.html.jinja",
        found.charts,
        title=f"{run.record['model']['spec']} on {run.record['dataset']['name']}",
        record=run.record,
        metrics=metrics,
        tables=found.tables,
        notice=notice(run, enough),
        headline=headline_sentence(metrics, enough),
        date=date_of(run),
        judge=judge_note(run),
        findings=alignment_findings(metrics),
        calibration=(metrics["calibration"] or {}).get(metrics["refusal"]),
        contents=_sections(found),
        remarks=[remark for remark in remarks if remark],
        listed=samples,
        order=ORDER,
        selects=_FILTERS,
        bibtex=references([run]),
    )
    return page, bool(samples.beside)


def _samples(run: Run, beside: str, *, redact: bool) -> Listed:
    ids = worst_answered_first(run)
    entries = answer_entries(run, ids)
    return listed(run, entries, total=len(ids), columns=COLUMNS, beside=beside, redact=redact)


def _sections(found: Contents) -> list[tuple[str, str]]:
    """The sections that this run has."""
    there = {
        "trade-off": "headline" in found.tables,
        "patterns": "patterns" in found.charts,
    }
    return [(id_, title) for id_, title in _SECTIONS.items() if there.get(id_, True)]
