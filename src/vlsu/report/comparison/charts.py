"""Charts of the paired differences of several runs, of any task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlsu.analysis.stats.intervals import Rate
from vlsu.report.alignment.rates import RATE_NAMES
from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import IntervalMark, Spec, interval_chart
from vlsu.report.run_labels import between

__all__ = ["difference_charts"]

_HOLDS, _MARKED, _OPEN = "claimed", "marked, to follow up", "cannot be claimed"


def difference_charts(comparison: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Spec]:
    """Paired differences of every two runs in the metrics that decide, by what is claimed of them.

    Args:
        comparison: As `vlsu.runs.finished.comparison.compare` makes it.
        labels: Name of a run -> its label.
    """
    marks: dict[str, list[IntervalMark]] = {}
    charted = _charted(comparison)
    titles = dict(charted.values())
    for pair in comparison["pairs"]:
        difference_of = between(labels[pair["second"]], labels[pair["first"]])
        for path, row in pair["metrics"].items():
            kind = next((k for k in charted if path.endswith(k)), "")
            difference = Rate.from_json(row["difference"])
            if not kind or difference.value is None:
                continue
            framing = path.removeprefix("framings.").removesuffix(kind).strip(".")
            label = f"{difference_of}, {framing}" if framing else difference_of
            group = _HOLDS if row["higher"] else _MARKED if row["marked"] else _OPEN
            marks.setdefault(charted[kind][0], []).append(
                IntervalMark(label, difference, row["n"], group)
            )
    return {
        name: interval_chart(
            of_chart,
            description=f"Differences of the runs in {titles[name]}, on the same samples",
            axis=f"difference in {titles[name]}",
            colours={
                _HOLDS: colour("right"),
                **({_MARKED: colour("text")} if any(m.group == _MARKED for m in of_chart) else {}),
                _OPEN: colour("edge"),
            },
            domain=None,
            zero_line=True,
        )
        for name, of_chart in marks.items()
    }


def _charted(comparison: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """What a path is or ends with -> name of the chart, and its words.

    Of the metrics that decide; a rate of alignment runs has one chart for all framings.
    """
    rows = comparison["pairs"][0]["metrics"]
    declared = comparison["declared"]
    charted: dict[str, tuple[str, str]] = {}
    for path in (path for path in (*declared["primary"], *declared["secondary"]) if path in rows):
        name = path.rpartition(".")[2]
        if path.startswith("framings."):
            words = RATE_NAMES.get(name, rows[path]["label"])
            charted[f".{name}"] = (f"differences-{name}", words)
        elif path in declared["primary"]:
            more = f"-{path}" if charted else ""
            charted[path] = (f"differences{more}", rows[path]["label"])
    return charted
