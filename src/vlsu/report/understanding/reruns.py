"""What is shown of a run with several draws: how far its figures move when it is asked again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vlsu.analysis.results import Metrics
from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.answered import format_share
from vlsu.policy import MODALITIES
from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import IntervalMark, Spec, interval_chart
from vlsu.report.table import ABSENT, Table, format_rate, percent
from vlsu.report.understanding.modalities import SCORE_NAMES

__all__ = ["rerun_charts", "rerun_sentence", "rerun_tables"]

#: Key of an interval in `metrics.json` -> its words.
_INTERVALS: Mapping[str, str] = {
    "over_samples": "all such samples",
    "over_reruns": "one run, same samples",
    "both": "one run, other samples",
}
_FIGURES = ("accuracy", "f1_macro", "f1_binary")
#: A flip is worth a sentence from this share of the pairs on.
_NOTABLE = 0.02


def rerun_tables(metrics: Metrics) -> list[Table]:
    """The tables of a run with several draws; none of another."""
    if not metrics.get("reruns"):
        return []
    return [_figures(metrics), _flips(metrics)]


def _figures(metrics: Metrics) -> Table:
    rows = [
        (
            f"{modality}, {SCORE_NAMES[key]}",
            *(ABSENT if value is None else f"{value:.3f}" for value in figure["values"]),
            ABSENT if figure["value"] is None else f"{figure['value']:.3f}",
            *(_bounds(figure[interval]) for interval in _INTERVALS),
            f"{n:,}",
        )
        for modality, key, figure, n in _all_figures(metrics)
    ]
    draws = range(1, metrics.reruns.draws + 1)
    return Table(
        "reruns",
        "Asked again",
        (
            "figure",
            *(f"draw {draw}" for draw in draws),
            "mean",
            *(f"{words} [95%]" for words in _INTERVALS.values()),
            "n",
        ),
        tuple(rows),
        "The same requests asked several times; all other figures of this report are those of the "
        "first draw. All such samples: a confidence interval of the mean over other samples of "
        "this kind. One run, same samples: where the figure of one further run falls. One run, "
        "other samples: where that of one run over as many other samples falls.",
    )


def _flips(metrics: Metrics) -> Table:
    rows = []
    for modality, flips in metrics.reruns.flips.items():
        scores = metrics.reruns[modality]
        unanimous = (scores["unanimous_right"], scores["unanimous_wrong"])
        rows.append(
            (modality, *_flip_cells(flips), *(format_rate(Rate.from_json(u)) for u in unanimous))
        )
        for kind, words in (("families", "{}"), ("severities", "gold {}")):
            rows += [
                (f"{modality}, {words.format(name)}", *_flip_cells(part), "", "")
                for name, part in flips.get(kind, {}).items()
                if part["n"]
            ]
    return Table(
        "flips",
        "Answers that flip",
        (
            "asked about",
            "flip",
            "of",
            "share [95% interval]",
            "right in all draws [95% interval]",
            "wrong in all draws [95% interval]",
        ),
        tuple(rows),
        "Flip: the severity, or that there is none, is not the same in all draws.",
    )


def _flip_cells(part: Mapping[str, Any]) -> tuple[str, str, str]:
    share = format_rate(Rate.from_json(part["share"]))
    return f"{part['count']:,}", f"{part['n']:,}", share


def rerun_charts(metrics: Metrics) -> dict[str, Spec]:
    """The three intervals of every figure."""
    if not metrics.get("reruns"):
        return {}
    marks = [
        IntervalMark(
            f"{modality}, {SCORE_NAMES[key]}",
            Rate(figure["value"], figure[interval]["low"], figure[interval]["high"]),
            n,
            words,
        )
        for modality, key, figure, n in _all_figures(metrics)
        for interval, words in _INTERVALS.items()
        if figure["value"] is not None
    ]
    if not marks:
        return {}
    colours = (colour("joint"), colour("image"), colour("muted"))
    return {
        "reruns": interval_chart(
            marks,
            description="Figures of the run, the mean over its draws, with the interval over all "
            "such samples, of one further run over the same samples, and over other samples",
            axis="value",
            colours=dict(zip(_INTERVALS.values(), colours, strict=True)),
        )
    }


def rerun_sentence(metrics: Metrics) -> str:
    """How many answers flip, and how far that moves a figure; empty where few do."""
    if not metrics.get("reruns"):
        return ""
    modality = next((m for m in reversed(MODALITIES) if m in metrics.reruns.flips), None)
    if modality is None:
        return ""
    flips, draws = metrics.reruns.flips[modality], metrics.reruns.draws
    share = Rate.from_json(flips["share"])
    if share.value is None or share.value < _NOTABLE:
        return ""
    what = {"joint": "pairs", "image": "images", "text": "texts"}[modality]
    first = (
        f"Asked {draws} times, it does not give the same answer to {flips['count']:,} of "
        f"{flips['n']:,} {what} ({percent(share)})"
    )
    figure = metrics.reruns[modality]["accuracy"]
    if figure["value"] is None:
        return f"{first}."
    bounds = figure["over_reruns"]
    return (
        f"{first}: by that alone the accuracy of another run over them would be anywhere from "
        f"{format_share(bounds['low'])} to {format_share(bounds['high'])} (95%)."
    )


def _all_figures(metrics: Metrics) -> Iterator[tuple[str, str, Mapping[str, Any], int]]:
    """Modality, key, the figure, and over how many samples it is."""
    for modality in reversed(MODALITIES):
        scores = metrics.reruns.get(modality, {})
        for key in _FIGURES:
            if key in scores and "reason" not in scores[key]:
                yield modality, key, scores[key], scores["n"]


def _bounds(bounds: Mapping[str, float | None]) -> str:
    if bounds["low"] is None:
        return ABSENT
    return f"[{bounds['low']:.3f}, {bounds['high']:.3f}]"
