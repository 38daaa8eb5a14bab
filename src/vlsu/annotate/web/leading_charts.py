"""Charts of the lead's page: pure functions from numbers to Vega-Lite, as in the report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import CONFIG, SIZING, Spec

__all__ = ["CONFIG", "growth_chart"]

#: Where the axis begins, unless values are lower; intervals that reach further are cut off.
_LOWEST = 0.0
_SHAPES = {"image": "circle", "text": "square", "joint": "diamond"}


def growth_chart(
    points: Mapping[str, Sequence[Mapping[str, Any]]],
    coefficient: str,
    *,
    names: Mapping[str, str],
    axis: str,
    decimal: str,
    description: str,
) -> Spec | None:
    """A coefficient of the grades so far over how many these are, a line a modality.

    Args:
        points: Of `vlsu.annotate.projects.growth.growth`, by modality.
        coefficient: ``"alpha"`` or ``"ac2"``.
        names: Of the modalities, in the page's language.
        axis: Title of the axis of grades.
        decimal: What stands between ones and tenths, in the page's language.
        description: What the chart shows, for those who cannot see it.

    Returns:
        `None` where there is no value yet.
    """
    rows = [
        {
            "modality": names[modality],
            "n": point["n"],
            "value": value["value"],
            "low": value["low"],
            "high": value["high"],
            "shown": "{value:.2f} [{low:.2f}; {high:.2f}]".format(**value).replace(".", decimal),
        }
        for modality, series in points.items()
        for point in series
        if (value := point[coefficient])["value"] is not None
    ]
    if not rows:
        return None
    present = [m for m in points if any(row["modality"] == names[m] for row in rows)]
    lowest = math.floor(10 * min(float(row["value"]) for row in rows)) / 10
    scale: Spec = {"domain": [min(_LOWEST, lowest), 1.0]}
    domain = [names[modality] for modality in present]
    hue: Spec = {
        "field": "modality",
        "type": "nominal",
        "scale": {"domain": domain, "range": [colour(modality) for modality in present]},
        "legend": {"title": None, "orient": "top"},
    }
    shape = {**hue, "scale": {"domain": domain, "range": [_SHAPES[each] for each in present]}}
    x: Spec = {
        "field": "n",
        "type": "quantitative",
        "title": axis,
        "scale": {"zero": True, "nice": False},
        "axis": {"grid": False},
    }
    at: Spec = {"field": "value", "type": "quantitative", "scale": scale, "title": None}
    return {
        "description": description,
        **SIZING,
        "height": 210,
        "padding": {"left": 2, "top": 4, "bottom": 4, "right": 12},
        "data": {"values": rows},
        "encoding": {"x": x, "color": hue},
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.1, "clip": True},
                "encoding": {"y": {**at, "field": "low"}, "y2": {"field": "high"}},
            },
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {"y": at}},
            {
                "mark": {"type": "point", "filled": True, "size": 46, "opacity": 1},
                "encoding": {
                    "y": at,
                    "shape": shape,
                    "tooltip": [
                        {"field": "modality", "title": " "},
                        {"field": "n", "title": axis},
                        {"field": "shown", "title": "95%"},
                    ],
                },
            },
        ],
    }
