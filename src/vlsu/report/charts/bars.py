"""Stacked bars: how a whole divides into parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlsu.report.charts.dots import SIZING, Spec

__all__ = ["Slice", "shares_chart", "stacked_chart"]


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a bar.

    Attributes:
        bar: Which bar it is in.
        part: What it is, in words.
        share: Of the bar, in [0, 1].
        shown: The share as the tooltip shows it.
        count: How many; `None` where only shares are known.
    """

    bar: str
    part: str
    share: float
    shown: str
    count: int | None = None


def stacked_chart(
    slices: Sequence[Slice],
    *,
    description: str,
    of: str,
    what: str,
    axis: str,
    colours: Mapping[str, str],
) -> Spec:
    """A stacked bar a row.

    Args:
        slices: In the order of the bars; parts are stacked in the order of `colours`.
        description: What the chart shows, for those who cannot see it.
        of: What a bar is, such as ``modality``.
        what: What a part is, such as ``outcome``.
        axis: Title of the axis of shares.
        colours: Part -> colour.
    """
    ranks = {part: rank for rank, part in enumerate(colours)}
    counted = any(slice_.count is not None for slice_ in slices)
    data = [
        {
            "bar": slice_.bar,
            "part": slice_.part,
            "rank": ranks[slice_.part],
            "share": slice_.share,
            "shown": slice_.shown,
            "count": slice_.count,
        }
        for slice_ in slices
    ]
    return {
        "description": description,
        **SIZING,
        "height": len({slice_.bar for slice_ in slices}) * 34,
        "data": {"values": data},
        "mark": {"type": "bar", "height": {"band": 0.7}, "stroke": "var(--paper)"},
        "encoding": {
            "y": {
                "field": "bar",
                "type": "nominal",
                "sort": None,
                "axis": {"title": None, "domain": False, "ticks": False, "labelPadding": 8},
            },
            "x": {
                "field": "share",
                "type": "quantitative",
                "stack": "zero",
                "scale": {"domain": [0, 1]},
                "title": axis,
            },
            "order": {"field": "rank"},
            "color": {
                "field": "part",
                "type": "nominal",
                "scale": {"domain": list(colours), "range": list(colours.values())},
                "legend": {"title": None, "orient": "top"},
            },
            "tooltip": [
                {"field": "bar", "title": of},
                {"field": "part", "title": what},
                *([{"field": "count", "title": "number"}] if counted else []),
                {"field": "shown", "title": "share"},
            ],
        },
    }


def shares_chart(
    counts: Mapping[str, Mapping[str, int]],
    *,
    of: str,
    what: str,
    colours: Mapping[str, str],
    axis: str,
) -> Spec:
    """A stacked bar a row, of the shares that its counts have in their sum.

    Args:
        counts: Row -> part -> number; rows that sum to 0 are left out.
        of: What a row is, such as ``modality``.
        what: What a part is, such as ``outcome``.
        colours: Part -> colour, in the order of the stack; other parts are left out.
        axis: Title of the axis of shares.
    """
    slices = []
    for bar, parts in counts.items():
        total = sum(parts.values())
        for part in colours if total else ():
            share = parts.get(part, 0) / total
            words = part.replace("_", " ")
            slices.append(Slice(bar, words, share, f"{share:.1%}", parts.get(part, 0)))
    return stacked_chart(
        slices,
        description=f"Shares of the {what}s by {of}",
        of=of,
        what=what,
        axis=axis,
        colours={part.replace("_", " "): colour for part, colour in colours.items()},
    )
