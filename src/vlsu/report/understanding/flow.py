"""The flow from what a model gets right alone to what it gets right together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlsu.analysis.results import AnsweredFlowPart, Flow
from vlsu.analysis.stats.intervals import Rate
from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import SIZING, Spec
from vlsu.report.table import ABSENT, Table, format_rate

__all__ = ["flow_chart", "flow_parts", "flow_table"]

#: Points along a ribbon; its edges are smooth at this many.
_POINTS = 25
#: Height of the gap between two nodes and least distance of two labels, as shares of the whole.
_GAP, _LABEL = 0.035, 0.105
#: Room for labels left and right of the ribbons, which run from 0 to 1.
_LEFT, _RIGHT = -0.36, 1.28
#: Width of a node.
_BAR = 0.012
_ENDS = {"right": colour("right"), "wrong": colour("wrong"), "no answer": colour("muted")}
#: Key in `metrics.json`'s flow -> what of the pair is right when asked about alone.
_ALONE: Mapping[str, str] = {
    "both_correct": "both right",
    "image_wrong": "image wrong",
    "text_wrong": "text wrong",
    "both_wrong": "both wrong",
}
#: What is right or wrong alone -> the filters of the sample list.
_CHOSEN: Mapping[str, Mapping[str, str]] = {
    "both right": {"image": "right", "text": "right"},
    "image wrong": {"image": "wrong", "text": "right"},
    "text wrong": {"image": "right", "text": "wrong"},
    "both wrong": {"image": "wrong", "text": "wrong"},
}


@dataclass(frozen=True, slots=True)
class _Ribbon:
    """A stream of samples; its edges, in [0, 1] from the top."""

    start: str
    end: str
    count: int
    left: float
    right: float
    height: float


def flow_parts(flow: Flow) -> dict[str, AnsweredFlowPart]:
    """What of the pair is right alone, in words -> its part; empty if no sample has all three."""
    parts = {name: AnsweredFlowPart(flow[key]) for key, name in _ALONE.items()}
    return parts if any(part.n for part in parts.values()) else {}


def flow_table(flow: Flow) -> Table:
    """How often the pair is right, by what was right alone."""
    return Table(
        "flow",
        "From the parts to the pair",
        (
            "asked alone",
            "samples",
            *(f"pair {end}" if end != "no answer" else "no answer to the pair" for end in _ENDS),
            "accuracy of the pair [95%]",
        ),
        tuple(
            (
                name,
                str(part.n),
                *(str(_count(part, end)) for end in _ENDS),
                format_rate(part.accuracy) if part.n else ABSENT,
            )
            for name, part in flow_parts(flow).items()
        ),
        "Samples whose three modalities were all asked and graded. An image or text without an "
        "answer is wrong; a pair without one counts apart, and as not right in accuracy.",
    )


def flow_chart(flow: Flow) -> Spec:
    """An alluvial diagram: left what was right alone, right whether the pair was."""
    parts = flow_parts(flow)
    ribbons, nodes = _laid_out(parts)
    total = sum(part.n for part in parts.values())
    points = [
        {
            "ribbon": f"{ribbon.start}, {ribbon.end}",
            "end": ribbon.end,
            "x": step / (_POINTS - 1),
            "top": (top := _between(ribbon.left, ribbon.right, step / (_POINTS - 1))),
            "bottom": top + ribbon.height,
            **_tooltip(ribbon, parts[ribbon.start]),
        }
        for ribbon in ribbons
        for step in range(_POINTS)
    ]
    labels = [
        {
            "x": -0.03 if side == "left" else 1.03,
            "y": at,
            "name": name if side == "left" or name == "no answer" else f"pair {name}",
            "count": f"{count:,} ({count / total:.0%})",
            "side": side,
        }
        for side, places in nodes.items()
        for (name, count, *_), at in zip(places, _spread(places), strict=True)
    ]
    bars = [
        {
            "x": -_BAR if side == "left" else 1,
            "end": 0 if side == "left" else 1 + _BAR,
            "top": top,
            "bottom": top + height,
        }
        for side, places in nodes.items()
        for _, _, top, height in places
    ]
    y: Spec = {"type": "quantitative", "scale": {"domain": [0, 1], "reverse": True}, "axis": None}
    x: Spec = {
        "field": "x",
        "type": "quantitative",
        "scale": {"domain": [_LEFT, _RIGHT], "nice": False, "zero": False},
        "axis": None,
    }
    return {
        "description": "Flow from what was right of image and text alone to whether the pair was",
        **SIZING,
        "height": 320,
        "layer": [
            {
                "data": {"values": points},
                "mark": {"type": "area", "opacity": 0.55, "cursor": "pointer"},
                "encoding": {
                    "x": x,
                    "y": {**y, "field": "top"},
                    "y2": {"field": "bottom"},
                    "detail": {"field": "ribbon"},
                    "color": {
                        "field": "end",
                        "type": "nominal",
                        "scale": {"domain": list(_ENDS), "range": list(_ENDS.values())},
                        "legend": None,
                    },
                    "tooltip": [
                        {"field": "alone"},
                        {"field": "pair"},
                        {"field": "samples"},
                        {"field": "share"},
                    ],
                },
            },
            {
                "data": {"values": bars},
                "mark": {"type": "rect", "color": colour("joint"), "tooltip": None},
                "encoding": {
                    "x": x,
                    "x2": {"field": "end"},
                    "y": {**y, "field": "top"},
                    "y2": {"field": "bottom"},
                },
            },
            *(
                _labels(labels, side, line, x, {**y, "field": "y"})
                for side in ("left", "right")
                for line in ("name", "count")
            ),
        ],
    }


def _labels(rows: Sequence[Spec], side: str, line: str, x: Spec, y: Spec) -> Spec:
    mark: Spec = {
        "type": "text",
        "align": "right" if side == "left" else "left",
        "fontSize": 13 if line == "name" else 11.5,
        "dy": -7 if line == "name" else 8,
        "color": colour("ink") if line == "name" else colour("muted"),
        "tooltip": None,
    }
    return {
        "data": {"values": [row for row in rows if row["side"] == side]},
        "mark": mark,
        "encoding": {"x": x, "y": y, "text": {"field": line}},
    }


def _tooltip(ribbon: _Ribbon, part: AnsweredFlowPart) -> Spec:
    """What the tooltip shows, and which samples a click chooses."""
    chosen = {"said-joint": "none"} if ribbon.end == "no answer" else {"joint": ribbon.end}
    right = f" {_interval(part.accuracy)}" if ribbon.end == "right" else ""
    return {
        "alone": ribbon.start,
        "pair": ribbon.end,
        "samples": ribbon.count,
        "share": f"{ribbon.count / part.n:.3f}{right} of {ribbon.start}, n {part.n:,}",
        "chosen": {**_CHOSEN[ribbon.start], **chosen},
    }


def _interval(rate: Rate) -> str:
    return "" if rate.value is None else f"[{rate.low:.3f}, {rate.high:.3f}]"


def _count(part: AnsweredFlowPart, end: str) -> int:
    """Samples of a part whose pair ended so; an older run counts no answer as wrong."""
    missing: int = part.get("no_answer", 0)
    if end == "no answer":
        return missing
    return part.correct if end == "right" else part.n - part.correct - missing


_Node = tuple[str, int, float, float]


def _laid_out(
    parts: Mapping[str, AnsweredFlowPart],
) -> tuple[list[_Ribbon], dict[str, list[_Node]]]:
    """The ribbons, and the nodes of both sides with their count, top and height."""
    total = sum(part.n for part in parts.values())
    ends = {end: sum(_count(part, end) for part in parts.values()) for end in _ENDS}
    left = _stacked({name: part.n for name, part in parts.items() if part.n}, total)
    right = _stacked({name: count for name, count in ends.items() if count}, total)
    tops = {name: top for name, _, top, _ in (*left, *right)}
    ribbons = []
    for end, _, _, _ in right:
        for name, _, _, _ in left:
            if count := _count(parts[name], end):
                height = count * _scale(total)
                ribbons.append(_Ribbon(name, end, count, tops[name], tops[end], height))
                tops[name] += height
                tops[end] += height
    return ribbons, {"left": left, "right": right}


def _stacked(counts: Mapping[str, int], total: int) -> list[_Node]:
    """Nodes from the top down, as high as their share of what the gaps leave."""
    nodes, top = [], (3 - len(counts) + 1) * _GAP / 2
    for name, count in counts.items():
        nodes.append((name, count, top, count * _scale(total)))
        top += count * _scale(total) + _GAP
    return nodes


def _scale(total: int) -> float:
    """Height of one sample, with room for the gaps between four nodes."""
    return (1 - 3 * _GAP) / total


def _spread(nodes: Sequence[_Node]) -> list[float]:
    """Where the labels stand: at the middle of their node, but not on top of each other."""
    middles = [top + height / 2 for _, _, top, height in nodes]
    places: list[float] = []
    for middle in middles:
        places.append(max(middle, places[-1] + _LABEL) if places else max(middle, _LABEL / 2))
    lowest = 1 - _LABEL / 2
    for number in reversed(range(len(places))):
        places[number] = min(places[number], lowest)
        lowest = places[number] - _LABEL
    return places


def _between(start: float, end: float, at: float) -> float:
    """From start to end along half a cosine wave."""
    return start + (end - start) * (1 - math.cos(math.pi * at)) / 2
