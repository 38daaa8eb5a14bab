"""Dots with intervals: the chart that most of the report is made of.

Colours are the custom properties of the page's stylesheet (``var(--joint)``), so that one drawing
serves light, dark and print. Tooltips show value, interval and n.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.answered import format_share

__all__ = [
    "CONFIG",
    "SIZING",
    "IntervalMark",
    "Spec",
    "captioned",
    "interval_chart",
    "shapes_for",
]

Spec = dict[str, object]

#: Look shared by all charts.
CONFIG: Spec = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "aria": False,
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--ink)",
        "titleColor": "var(--muted)",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
    "axisQuantitative": {"tickCount": 6, "labelFlush": False},
    "legend": {
        "labelColor": "var(--ink)",
        "labelFontSize": 12,
        "labelLimit": 260,
        "symbolOpacity": 1,
    },
}

#: As wide as the place in the page; the height is that of the rows, axes aside.
SIZING: Spec = {"width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}
_ROW_PX = 26
_GROUPED_ROW_PX = 20
#: Room on the right for the remarks, in pixels.
_REMARK_PX = 60
#: Of a letter of a remark.
_LETTER_PX = 6
_SHAPES = (
    *("circle", "square", "diamond", "triangle-up", "triangle-down", "cross"),
    *("triangle-right", "triangle-left"),
)
#: Colours that charts of groups go round in.
_COLOURS = 6


def shapes_for(groups: int) -> list[str]:
    """A shape for each group: one that comes in a colour again comes in another shape."""
    return [_SHAPES[(n + n // _COLOURS) % len(_SHAPES)] for n in range(groups)]


def captioned(chart: Spec, caption: str) -> Spec:
    """The chart under a small line of text, in the page and in a picture alike.

    Args:
        chart: Without a title.
        caption: May be empty; then the chart is as it was.
    """
    if not caption:
        return chart
    return {
        **chart,
        "title": {
            "text": caption,
            "anchor": "start",
            "fontSize": 11,
            "fontWeight": "normal",
            "color": "var(--muted)",
            "offset": 6,
        },
    }


@dataclass(frozen=True, slots=True)
class IntervalMark:
    """One dot of a chart: a rate, how many it was measured on, where it stands.

    Attributes:
        remark: Stands at the end of the row in place of n.
        chance: What guessing would reach; a tick across the row.
        answered: Share of the `n` that was answered; stands at the end of the row if not all was.
        chosen: The filters of the sample list that choose the dot's samples.
    """

    label: str
    rate: Rate
    n: int | None = None
    group: str = ""
    remark: str = ""
    chance: float | None = None
    answered: float | None = None
    chosen: Mapping[str, str] = field(default_factory=dict)

    @property
    def _lacking(self) -> str:
        if self.answered is None or self.answered == 1:
            return ""
        return f", {format_share(self.answered)} answered"

    @property
    def row(self) -> dict[str, object]:
        """The datum of the dot; its texts are made here so that all formats agree."""
        value, low, high = self.rate.value, self.rate.low, self.rate.high
        shown = "" if value is None or low is None else _shown(value)
        between = "" if low is None or high is None else f"{_shown(low)} to {_shown(high)}"
        return {
            "label": self.label,
            "group": self.group,
            "value": value,
            "low": low,
            "high": high,
            "n": self.n,
            "shown": shown,
            "interval": between,
            "remark": self.remark or ("" if self.n is None else f"n {self.n:,}{self._lacking}"),
            **({} if self.answered is None else {"answered": format_share(self.answered)}),
            **({} if self.chance is None else {"chance": self.chance}),
            **({"chosen": dict(self.chosen)} if self.chosen else {}),
        }


def _shown(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:,.0f}"


def interval_chart(
    estimates: Sequence[IntervalMark],
    *,
    description: str,
    axis: str,
    colours: Mapping[str, str],
    domain: tuple[float, float] | None = (0.0, 1.0),
    reference: Rate | None = None,
    zero_line: bool = False,
) -> Spec:
    """Dots with intervals, a row a label; groups of one label stand below each other.

    Args:
        estimates: In the order of the rows.
        description: What the chart shows, for those who cannot see it.
        axis: Title of the value's axis.
        colours: Group -> colour, in the order of the legend; there is no legend for one group.
        domain: Of the value; `None` fits the data and 0.
        reference: Drawn as a line across all rows.
        zero_line: Draw such a line at 0.
    """
    labels = list(dict.fromkeys(e.label for e in estimates))
    groups = list(colours)
    grouped = len(groups) > 1
    side_by_side = len({(e.label, e.group) for e in estimates}) > len(labels)
    scale: Spec = {"zero": True} if domain is None else {"domain": list(domain)}
    y: Spec = {
        "field": "label",
        "type": "nominal",
        "sort": None,
        "scale": {"domain": labels},
        "axis": {"title": None, "domain": False, "ticks": False, "labelPadding": 8},
    }
    colour: Spec = {
        "field": "group",
        "type": "nominal",
        "scale": {"domain": groups, "range": list(colours.values())},
        "legend": {"title": None, "orient": "top"} if grouped else None,
    }
    tooltip = [
        {"field": "label", "title": " "},
        *([{"field": "group", "title": "of"}] if grouped else []),
        {"field": "shown", "title": axis.partition(",")[0]},
        {"field": "interval", "title": "95% interval"},
        *([{"field": "n", "title": "n"}] if any(e.n is not None for e in estimates) else []),
        *(
            [{"field": "answered", "title": "answered"}]
            if any(e.answered is not None for e in estimates)
            else []
        ),
    ]
    encoding: Spec = {"y": y, "color": colour}
    if side_by_side:
        encoding["yOffset"] = {"field": "group", "type": "nominal", "scale": {"domain": groups}}
    at = {"field": "value", "type": "quantitative", "scale": scale, "title": axis}
    low = {"field": "low", "type": "quantitative", "scale": scale, "title": axis}
    shape = {
        "field": "group",
        "type": "nominal",
        "scale": {"domain": groups, "range": shapes_for(len(groups))},
        "legend": colour["legend"],
    }
    layers: list[Spec] = [
        {
            "mark": {"type": "rule", "strokeWidth": 3, "strokeCap": "round", "opacity": 0.45},
            "encoding": {"x": low, "x2": {"field": "high"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
            "encoding": {"x": at, "shape": shape},
        },
        {  # nothing to see: a target wide enough to hover
            "mark": {
                "type": "rule",
                "strokeWidth": 16,
                "opacity": 0,
                **({"cursor": "pointer"} if any(e.chosen for e in estimates) else {}),
            },
            "encoding": {"x": low, "x2": {"field": "high"}, "tooltip": tooltip},
        },
    ]
    if any(e.chance is not None for e in estimates):
        layers.append(
            {
                "mark": {"type": "tick", "thickness": 2, "size": _ROW_PX - 6},
                "encoding": {
                    "x": {"field": "chance", "type": "quantitative", "scale": scale},
                    "color": {"value": "var(--muted)"},
                    "tooltip": [{"field": "chance", "title": "chance", "format": ".2f"}],
                },
            }
        )
    remarked = any(e.n is not None for e in estimates) and not side_by_side
    if remarked:
        layers.append(
            {
                "mark": {"type": "text", "align": "left", "dx": 8, "fontSize": 11},
                "encoding": {
                    "x": {"value": "width"},
                    "text": {"field": "remark"},
                    "color": {"value": "var(--muted)"},
                },
            }
        )
    rows = [e.row for e in estimates]
    longest = max((len(str(row["remark"])) for row in rows), default=0)
    line = 0.0 if zero_line else None if reference is None else reference.value
    if line is not None:
        layers.insert(
            0,
            {
                "data": {"values": [{"reference": line}]},
                "mark": {"type": "rule", "strokeDash": [4, 3], "strokeWidth": 1},
                "encoding": {
                    "x": {"field": "reference", "type": "quantitative", "scale": scale},
                    "y": {"value": 0},
                    "y2": {"value": "height"},
                    "color": {"value": "var(--muted)"},
                    "yOffset": None,
                },
            },
        )
    return {
        "description": description,
        **SIZING,
        "height": len(labels) * (_GROUPED_ROW_PX * len(groups) if side_by_side else _ROW_PX),
        "padding": {
            "left": 2,
            "top": 4,
            "bottom": 4,
            "right": max(_REMARK_PX, 12 + _LETTER_PX * longest) if remarked else 12,
        },
        "data": {"values": rows},
        "encoding": encoding,
        "layer": layers,
    }
