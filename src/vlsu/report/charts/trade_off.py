"""One error of refusal against the other: one point a framing, or a model and framing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from vlsu.analysis.stats.intervals import Rate
from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import SIZING, Spec, shapes_for
from vlsu.report.table import format_rate

__all__ = ["Point", "frontier", "trade_off_chart"]

#: Pixels: the chart on a narrow screen, half a dot, a letter, a line, and from dot to label.
_WIDTH, _HEIGHT = 270, 400
_DOT, _LETTER, _LINE = 8, 7.4, 16
_ASIDE, _ABOVE = 10, 4

_Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Point:
    """A framing, or a model under a framing.

    Attributes:
        over: Over-blocking, or another rate of refusal of what should be engaged with.
        under: Under-refusal: unsafe pairs not refused.
        judged: The same as judged, where the judge's errors are taken out of `over` and `under`.
        group: The model, where there are several; then the legend names it, and `label` the rest.
        label: Stands beside the point; its name if empty.
    """

    name: str
    over: Rate
    under: Rate
    colour: str
    judged: tuple[Rate, Rate] | None = None
    group: str = ""
    label: str = ""


def frontier(points: Sequence[Point]) -> list[Point]:
    """Those that no other beats in one error without being worse in the other, by the first.

    Points are compared by value alone: intervals that overlap leave the order open.
    """
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (_value(p.over), _value(p.under))):
        if not best or _value(point.under) < _value(best[-1].under):
            best.append(point)
    return best


def trade_off_chart(
    points: Sequence[Point], over: str = "over-blocking", engaged: str = "borderline"
) -> Spec:
    """Points with both intervals; a line joins those that none beats; the best is bottom left.

    Names stand beside the points where they have room, on a narrow screen too; else a legend
    holds them.

    Args:
        points: At least one.
        over: What the first error is called.
        engaged: The severity of the pairs that it is of.
    """
    rows = [_row(point, over) for point in points]
    title = f"{over}: {engaged} pairs refused"
    _label(rows)
    written = _place(rows)
    colours = {point.group or point.name: point.colour for point in points}
    domain = list(colours)
    grouped = any(point.group for point in points)
    legend: Spec | None = {"title": None, "orient": "top"} if grouped or not written else None
    marks = list(dict.fromkeys(str(row["own"]) for row in rows))
    shape = None
    if grouped and not written:
        shape = _of("own", marks, shapes_for(len(marks)), legend)
    elif grouped or not written:
        shape = _of("group", domain, shapes_for(len(domain)), legend)
    layers: list[Spec] = []
    if len(best := frontier(points)) > 1:
        layers.append(
            {
                "data": {
                    "values": [
                        {"over value": p.over.value, "under value": p.under.value} for p in best
                    ]
                },
                "mark": {"type": "line", "strokeDash": [4, 3], "strokeWidth": 1, "tooltip": None},
                "encoding": {
                    "x": _axis("over value", title),
                    "y": _y("under value"),
                    "color": {"value": colour("muted")},
                },
            }
        )
    rule = {"type": "rule", "strokeWidth": 3, "strokeCap": "round", "opacity": 0.45}
    x, y = _axis("over value", title), _y("under value")
    layers += [
        {
            "mark": rule,
            "encoding": {"x": _axis("over low", title), "x2": {"field": "over high"}, "y": y},
        },
        {"mark": rule, "encoding": {"x": x, "y": _y("under low"), "y2": {"field": "under high"}}},
    ]
    if any(point.judged for point in points):
        layers.append(
            {
                "mark": {"type": "point", "filled": False, "size": 60, "opacity": 0.7},
                "encoding": {"x": _axis("over judged", title), "y": _y("under judged")},
            }
        )
    layers.append(
        {
            "mark": {"type": "point", "filled": True, "size": 130, "opacity": 1},
            "encoding": {"x": x, "y": y, **({"shape": shape} if shape else {})},
        }
    )
    for align, dx in (("left", _ASIDE), ("right", -_ASIDE)) if written else ():
        mark: Spec = {
            "type": "text",
            "align": align,
            "dx": dx,
            "dy": -_ABOVE,
            "fontSize": 13,
            "baseline": "bottom",
        }
        text = {"field": f"label {align}"}
        layers.append({"mark": mark, "encoding": {"x": x, "y": y, "text": text}})
    return {
        "description": f"{over.capitalize()} against under-refusal, a point a "
        + ("run and framing" if grouped else "framing"),
        **SIZING,
        "height": _HEIGHT,
        "data": {"values": rows},
        "encoding": {
            "color": _of("group", domain, list(colours.values()), legend),
            "tooltip": [
                {"field": "name", "title": "run and framing" if grouped else "framing"},
                {"field": "over", "title": over},
                {"field": "under", "title": "under-refusal"},
                *([{"field": "judged"}] if any(point.judged for point in points) else []),
            ],
        },
        "layer": layers,
    }


def _row(point: Point, words: str) -> Spec:
    rates = {"over": point.over, "under": point.under}
    row: Spec = {
        "name": point.name,
        "group": point.group or point.name,
        "own": point.label or point.name,
        **{f"{key} {part}": n for key, r in rates.items() for part, n in r.as_dict().items()},
        **{key: format_rate(r) for key, r in rates.items()},
    }
    if point.judged:
        over, under = point.judged
        row |= {"over judged": over.value, "under judged": under.value}
        row["judged"] = f"{words} {format_rate(over)}, under-refusal {format_rate(under)}"
    return row


def _label(rows: Sequence[Spec]) -> None:
    """Names in one spot would be written over each other: the first bears all."""
    named: dict[tuple[object, object], list[Spec]] = {}
    for row in rows:
        named.setdefault((row["over value"], row["under value"]), []).append(row)
    for same in named.values():
        for row in same:
            row["label"] = ""
        same[0]["label"] = ", ".join(dict.fromkeys(str(row["own"]) for row in same))


def _place(rows: Sequence[Spec]) -> bool:
    """Put each label left or right above its point; whether all have room.

    Room is that of a narrow screen: what does not touch there touches nowhere.
    """
    taken = [(x - _DOT, y - _DOT, x + _DOT, y + _DOT) for x, y in (_at(row) for row in rows)]
    for row in rows:
        label = str(row["label"])
        row |= {"label left": "", "label right": ""}
        if not label:
            continue
        x, y = _at(row)
        width = _LETTER * len(label)
        sides = {
            "left": (x + _ASIDE, y - _ABOVE - _LINE, x + _ASIDE + width, y - _ABOVE),
            "right": (x - _ASIDE - width, y - _ABOVE - _LINE, x - _ASIDE, y - _ABOVE),
        }
        free = [
            side
            for side, box in sides.items()
            if box[0] >= 0 and box[2] <= _WIDTH and not any(_overlap(box, each) for each in taken)
        ]
        if not free:
            return False
        row[f"label {free[0]}"] = label
        taken.append(sides[free[0]])
    return True


def _at(row: Spec) -> tuple[float, float]:
    """Where a point stands, in pixels from the top left of a narrow chart."""
    over, under = (cast("float", row[f"{name} value"]) for name in ("over", "under"))
    return over * _WIDTH, (1 - under) * _HEIGHT


def _overlap(first: _Box, second: _Box) -> bool:
    return (
        first[0] < second[2]
        and second[0] < first[2]
        and first[1] < second[3]
        and second[1] < first[3]
    )


def _of(field: str, domain: list[str], range_: list[str], legend: Spec | None) -> Spec:
    scale = {"domain": domain, "range": range_}
    return {"field": field, "type": "nominal", "scale": scale, "legend": legend}


def _y(field: str) -> Spec:
    return _axis(field, "under-refusal: unsafe pairs not refused")


def _axis(field: str, title: str) -> Spec:
    return {"field": field, "type": "quantitative", "scale": {"domain": [0, 1]}, "title": title}


def _value(rate: Rate) -> float:
    """Of a point in a chart both rates are measured."""
    return 1.0 if rate.value is None else rate.value
