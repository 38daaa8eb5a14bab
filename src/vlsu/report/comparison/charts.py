"""Charts of the paired differences of several runs, of any task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlsu.analysis.stats.intervals import Rate
from vlsu.report.alignment.rates import traded_in
from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import IntervalMark, Spec, interval_chart
from vlsu.report.run_labels import between

__all__ = ["difference_charts"]

#: Differences that have a chart: what a path begins or ends with -> name and words. Of the errors
#: of refusal only the two that are traded have one.
_CHARTED = {
    "joint.accuracy": ("differences", "accuracy on the pair"),
    ".over_blocking": ("differences-over_blocking", "over-blocking"),
    ".over_refusal_safe": ("differences-over_refusal_safe", "over-refusal of safe"),
    ".under_refusal": ("differences-under_refusal", "under-refusal"),
}
_HOLDS, _OPEN = "holds after correction", "cannot be claimed"


def difference_charts(comparison: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Spec]:
    """Paired differences of every two runs, those marked that hold after correction.

    Args:
        comparison: As `vlsu.runs.finished.comparison.compare` makes it.
        labels: Name of a run -> its label.
    """
    marks: dict[str, list[IntervalMark]] = {}
    titles = dict(_CHARTED.values())
    for pair in comparison["pairs"]:
        difference_of = between(labels[pair["second"]], labels[pair["first"]])
        charted = ("joint.accuracy", *(f".{name}" for name in traded_in(pair["metrics"])))
        for path, row in pair["metrics"].items():
            kind = next((k for k in charted if path.endswith(k)), "")
            difference = Rate.from_json(row["difference"])
            if not kind or difference.value is None:
                continue
            framing = path.removeprefix("framings.").removesuffix(kind)
            label = f"{difference_of}, {framing}" if framing else difference_of
            group = _OPEN if row["higher"] is None else _HOLDS
            marks.setdefault(_CHARTED[kind][0], []).append(
                IntervalMark(label, difference, row["n"], group)
            )
    return {
        name: interval_chart(
            of_chart,
            description=f"Differences of the runs in {titles[name]}, on the same samples",
            axis=f"difference in {titles[name]}",
            colours={_HOLDS: colour("right"), _OPEN: colour("edge")},
            domain=None,
            zero_line=True,
        )
        for name, of_chart in marks.items()
    }
