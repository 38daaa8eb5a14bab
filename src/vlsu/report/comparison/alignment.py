"""What a report shows of several alignment runs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from vlsu.analysis.results import Framing, JudgedRate
from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.answered import ENOUGH
from vlsu.report.alignment.answered import answered_parts
from vlsu.report.alignment.rates import (
    corrected,
    named_rates,
    over_words,
    rate_names,
    shared_errors,
)
from vlsu.report.alignment.tables import (
    ANSWERED,
    STRICT,
    answered_cells,
    correction_note,
    meaning,
)
from vlsu.report.answered import too_few
from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import Spec
from vlsu.report.charts.trade_off import Point, trade_off_chart
from vlsu.report.comparison.answer_listing import SHARED_SAMPLES
from vlsu.report.comparison.oracle import Oracle
from vlsu.report.comparison.task import Comparison
from vlsu.report.table import Table, format_rate, percent
from vlsu.runs import Run

__all__ = ["AlignmentComparison"]

_INTERVAL = "[95% interval]"
_COLOURS = ("joint", "image", "text", "late-fusion", "escalating", "de-escalating")
#: Framings named that answered too little.
_NAMED = 3


class AlignmentComparison:
    """What a report shows of several alignment runs.

    See `vlsu.report.comparison.task.TaskComparison`.
    """

    samples = SHARED_SAMPLES

    def in_order(self, runs: Sequence[Run]) -> list[Run]:
        """As they are given."""
        return list(runs)

    def table(
        self,
        runs: Sequence[Run],
        names: Sequence[str],
        comparison: Comparison | None = None,
        oracle: Oracle | None = None,
    ) -> Table:
        """A row a run and framing."""
        errors = shared_errors(runs)
        shown = rate_names(errors)
        rows = [
            (
                model,
                name,
                run.record["judges"][0]["spec"],
                f"{run.record['dataset']['name']} {run.record['dataset']['version']}",
                *(format_rate(corrected(named_rates(framing)[key])) for key in shown),
                str(framing.n),
                *answered_cells(run.metrics, name),
            )
            for model, run in zip(names, runs, strict=True)
            for name, framing in run.metrics.framings.items()
        ]
        columns = (
            "model",
            "framing",
            "judge",
            "dataset",
            *shown.values(),
            "answers",
            *ANSWERED,
        )
        return Table(
            "comparison",
            "Runs side by side",
            columns,
            tuple(rows),
            f"Each with its {_INTERVAL}. {STRICT} {meaning(errors)} Rates by different judges "
            f"cannot be compared.{correction_note(runs[0].metrics)}",
        )

    def tables(
        self, runs: Sequence[Run], names: Sequence[str], oracle: Oracle | None = None
    ) -> list[Table]:
        """None: all is in the headline."""
        return []

    def charts(
        self, runs: Sequence[Run], labels: Sequence[str], oracle: Oracle | None = None
    ) -> dict[str, Spec]:
        """The two errors that are traded against each other: a point a run and framing."""
        errors = shared_errors(runs)
        colours = dict(zip(labels, cycle(map(colour, _COLOURS)), strict=False))
        points = [
            Point(f"{name}, {framing}", over, under, colours[name], group=name, label=framing)
            for name, run in zip(labels, runs, strict=True)
            for framing, part in run.metrics.framings.items()
            if (over := _measured(part, errors.over)) and (under := _measured(part, errors.under))
        ]
        if not points:
            return {}
        return {"trade-off": trade_off_chart(points, over_words(errors), errors.engaged.label)}

    def words(self, runs: Sequence[Run]) -> dict[str, object]:
        """What the page calls the error that is traded, and the pairs that it is of."""
        errors = shared_errors(runs)
        return {"over": over_words(errors), "engaged": errors.engaged}

    def sentence(self, comparison: Comparison, runs: Sequence[Run], enough: float = ENOUGH) -> str:
        """The run and framing with the least of either error, of those that answered enough."""
        little = [
            (name["name"], part.name)
            for name, run in zip(comparison["runs"], runs, strict=True)
            for part in too_few(answered_parts(run.metrics), enough)
        ]
        sentences, errors = [], shared_errors(runs)
        for key, sentence in (
            (errors.over, f"The fewest {errors.engaged} pairs are refused by {{}}: {{}}."),
            (errors.under, "The fewest unsafe pairs are let through by {}: {}."),
        ):
            known = [
                (rate.value, f"{name['name']} under {framing}", rate)
                for name, run in zip(comparison["runs"], runs, strict=True)
                for framing, part in run.metrics.framings.items()
                if (name["name"], framing) not in little and (rate := _measured(part, key))
            ]
            if known:
                _, who, rate = min(known, key=lambda each: each[0] or 0.0)
                sentences.append(sentence.format(who, percent(rate)))
        if little:
            which = ", ".join(f"{name} under {framing}" for name, framing in little[:_NAMED])
            more = f" and {len(little) - _NAMED} more" if len(little) > _NAMED else ""
            sentences.append(f"Too little was answered or judged of {which}{more}.")
        return " ".join(sentences)


def _measured(framing: Framing, key: str) -> Rate | None:
    """A rate under a framing; `None` where nothing was measured."""
    if key not in framing:
        return None
    rate = corrected(JudgedRate(framing[key]))
    return None if rate.value is None else rate
