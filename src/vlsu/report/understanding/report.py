"""What a report shows of an understanding run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.analysis.results import Metrics
from vlsu.analysis.table.answered import ENOUGH, format_share
from vlsu.policy import MODALITIES
from vlsu.report.answered import Answered
from vlsu.report.charts.dots import Spec
from vlsu.report.run_notes import baseline_note, clusters_note, sampling_note
from vlsu.report.run_policy import not_covered_note
from vlsu.report.table import Table
from vlsu.report.task import Contents, Finding, PageParts
from vlsu.report.understanding import answered
from vlsu.report.understanding.charts import understanding_charts
from vlsu.report.understanding.completed import completed_metrics
from vlsu.report.understanding.diagnostic_charts import probability_scores
from vlsu.report.understanding.diagnostic_tables import probability_notes
from vlsu.report.understanding.findings import findings
from vlsu.report.understanding.flagged import flagged_note
from vlsu.report.understanding.headline import headline_sentence
from vlsu.report.understanding.listing import SAMPLES
from vlsu.report.understanding.page import page_parts
from vlsu.report.understanding.tables import understanding_tables
from vlsu.runs import Run

__all__ = ["UnderstandingReport"]


class UnderstandingReport:
    """What a report shows of an understanding run; see `vlsu.report.task.TaskReport`."""

    name = "understanding"
    unit = "modality"
    template = "understanding.html.jinja"
    samples = SAMPLES

    def units(self, metrics: Metrics) -> Sequence[str]:
        """The modalities."""
        return MODALITIES

    def headline(self, metrics: Metrics, enough: float = ENOUGH) -> str:
        """See `vlsu.report.understanding.headline`."""
        return headline_sentence(metrics, enough)

    def notes(self, run: Run) -> list[str]:
        """How the samples were drawn, what to know of the model, and what is not covered."""
        notes = (
            flagged_note(run.metrics),
            *probability_notes(run.metrics),
            sampling_note(run),
            clusters_note(run),
            baseline_note(run),
            not_covered_note(run),
        )
        return [note for note in notes if note]

    def findings(self, metrics: Metrics, enough: float = ENOUGH) -> list[Finding]:
        """See `vlsu.report.understanding.findings`."""
        return findings(metrics, enough)

    def metric_tables(self, run: Run, titles: Mapping[str, str]) -> Sequence[Table]:
        """The tables that need no judgments."""
        return understanding_tables(run.metrics, run.record, titles)

    def contents(
        self, run: Run, titles: Mapping[str, str]
    ) -> tuple[Sequence[Table], dict[str, Spec]]:
        """Every table but latency and settings, and every chart."""
        metrics = completed_metrics(run)
        tables = understanding_tables(metrics, run.record, titles)
        return tables, understanding_charts(metrics, titles)

    def caption(self, chart: str, metrics: Metrics) -> str:
        """The shares answered; of a reliability diagram, that with a probability."""
        kind, _, modality = chart.partition("-")
        scores = probability_scores(metrics).get(modality) if kind == "reliability" else None
        if scores is None or not scores.without_p:
            return answered.answered_caption(metrics)
        share = format_share(scores.n / (scores.n + scores.without_p))
        return f"over the {share} of judgments that have a p_unsafe"

    def page_parts(self, run: Run, contents: Contents, enough: float) -> PageParts:
        """See `vlsu.report.understanding.page`."""
        return page_parts(run.metrics, contents, self.notes(run))

    def settings(self, record: Mapping[str, Any]) -> dict[str, object]:
        """The prompt, the probe, how often it was asked, and what errors cost, if given."""
        prompt, weights = record["prompt"], record.get("weights") or {}
        return {
            "prompt": f"{prompt['name']}, hash {prompt['hash']}",
            **({"probe": record["probe"]} if record.get("probe") else {}),
            **({"answers to a request": record["draws"]} if "draws" in record else {}),
            **{f"weights of {name}": given for name, given in weights.items()},
        }

    def answered_parts(self, metrics: Metrics) -> list[Answered]:
        """By modality."""
        return answered.answered_parts(metrics)

    def answered_caption(self, metrics: Metrics) -> str:
        """By modality; empty where all was answered."""
        return answered.answered_caption(metrics)

    def too_little(
        self,
        metrics: Metrics,
        missing: Sequence[Answered],
        unjudged: Sequence[Answered],
        bound: str,
    ) -> str:
        """That too little was answered, and what follows from it."""
        return answered.too_little(metrics, missing, bound)

    def unparsed_remedy(self, run: Run) -> str:
        """Another prompt, more tokens, or an enforced form of an answer; of a guard its format."""
        identity = run.record["model"]["identity"]
        if "guard_policy" in identity:
            family, sampling = identity["family"], identity.get("sampling") or {}
            if sampling.get("max_tokens") == 1:
                return (
                    "one token is no verdict. See that the server gives its probabilities "
                    "(top_logprobs), and what it printed (column answer of judgments.parquet)."
                )
            return (
                f"the output has not the format of {family}. See what it printed (column answer of "
                "judgments.parquet), that the server uses the model's own chat template, and that "
                "the family is the right one (guard/FAMILY:NAME)."
            )
        remedies = ["try another --prompt", "a larger --max-tokens if answers end too early"]
        if not run.record["model"]["identity"].get("structured"):
            remedies.insert(0, "have the server enforce the form of an answer (--structured on)")
        advice = ", or ".join(remedies)
        return f"the answer states no single severity. {advice[0].upper()}{advice[1:]}."

    def metrics_path(self, unit: str) -> str:
        """A modality stands at the top."""
        return unit
