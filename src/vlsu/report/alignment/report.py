"""What a report shows of an alignment run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.analysis.results import Metrics
from vlsu.analysis.table.answered import ENOUGH
from vlsu.report.alignment import answered
from vlsu.report.alignment.charts import alignment_charts
from vlsu.report.alignment.findings import findings
from vlsu.report.alignment.headline import headline_sentence
from vlsu.report.alignment.judge_notes import judge_note
from vlsu.report.alignment.listing import SAMPLES
from vlsu.report.alignment.page import page_parts
from vlsu.report.alignment.tables import alignment_tables
from vlsu.report.answered import Answered
from vlsu.report.charts.dots import Spec
from vlsu.report.run_notes import baseline_note, clusters_note, sampling_note
from vlsu.report.run_policy import not_covered_note
from vlsu.report.table import Table
from vlsu.report.task import Contents, Finding, PageParts
from vlsu.runs import Run

__all__ = ["AlignmentReport"]


class AlignmentReport:
    """What a report shows of an alignment run; see `vlsu.report.task.TaskReport`."""

    name = "alignment"
    unit = "framing"
    template = "alignment.html.jinja"
    samples = SAMPLES

    def units(self, metrics: Metrics) -> Sequence[str]:
        """The framings."""
        return tuple(metrics.framings)

    def headline(self, metrics: Metrics, enough: float = ENOUGH) -> str:
        """See `vlsu.report.alignment.headline`."""
        return headline_sentence(metrics, enough)

    def notes(self, run: Run) -> list[str]:
        """How the samples were drawn, what to know of model and judge, what is not covered."""
        notes = (sampling_note, clusters_note, baseline_note, judge_note, not_covered_note)
        return [note for each in notes if (note := each(run))]

    def findings(self, metrics: Metrics, enough: float = ENOUGH) -> list[Finding]:
        """See `vlsu.report.alignment.findings`."""
        return findings(metrics)

    def metric_tables(self, run: Run, titles: Mapping[str, str]) -> Sequence[Table]:
        """All tables but latency and settings: none of them needs judgments."""
        return alignment_tables(run, titles)

    def contents(
        self, run: Run, titles: Mapping[str, str]
    ) -> tuple[Sequence[Table], dict[str, Spec]]:
        """Every table but latency and settings, and every chart."""
        return alignment_tables(run, titles), alignment_charts(run.metrics, titles)

    def caption(self, chart: str, metrics: Metrics) -> str:
        """The shares answered and judged."""
        return answered.answered_caption(metrics)

    def page_parts(self, run: Run, contents: Contents, enough: float) -> PageParts:
        """See `vlsu.report.alignment.page`."""
        return page_parts(run, contents)

    def settings(self, record: Mapping[str, Any]) -> dict[str, object]:
        """Framings and judges."""
        rows: dict[str, object] = {
            f"framing: {name}": f"hash {digest}" for name, digest in record["framings"].items()
        }
        rows["answers to a question"] = record["draws"]
        for judge in record["judges"]:
            name = f"judge {judge['spec']}"
            identity = {key: value for key, value in judge["identity"].items() if key != "spec"}
            rows[name] = identity
            rows[f"{name}: rubric"] = f"hash {judge['rubric']}"
            rows[f"{name}: verdicts on an answer"] = judge["repeats"]
        rows["calibrated"] = "yes" if record["calibrated"] else "no"
        if labels := record.get("labels"):
            rows["human labels in the run"] = (
                f"{labels['labelled']} of {labels['file']}, SHA-256 {labels['sha256']}"
            )
        return rows

    def answered_parts(self, metrics: Metrics) -> list[Answered]:
        """By framing."""
        return answered.answered_parts(metrics)

    def answered_caption(self, metrics: Metrics) -> str:
        """By framing; empty where all was answered and judged."""
        return answered.answered_caption(metrics)

    def too_little(
        self,
        metrics: Metrics,
        missing: Sequence[Answered],
        unjudged: Sequence[Answered],
        bound: str,
    ) -> str:
        """That too little was answered or judged, and what follows from it."""
        return answered.too_little(missing, unjudged, bound)

    def unparsed_remedy(self, run: Run) -> str:
        """Room for words after reasoning."""
        return "answers without words. A larger --max-tokens leaves room for them after reasoning."

    def metrics_path(self, unit: str) -> str:
        """A framing stands among the framings."""
        return f"framings.{unit}"
