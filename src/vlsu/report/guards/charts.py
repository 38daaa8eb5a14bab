"""Charts of a choice among guards: pure functions from the result to Vega-Lite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, pairwise
from typing import Any

from vlsu.analysis.deployment.guards.curves import RATES
from vlsu.analysis.stats.intervals import Rate
from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import SIZING, IntervalMark, Spec, interval_chart, shapes_for
from vlsu.report.charts.legible import legible, short_names
from vlsu.report.guards.words import shown_threshold
from vlsu.report.table import format_rate

__all__ = ["guards_charts"]

#: Colours that guards go round in; one that comes again has another shape and dashes.
_COLOURS = ("late-fusion", "escalating", "de-escalating", "image", "text", "joint")
_DASHES = ([1, 0], [6, 3], [2, 2])
_HEIGHT, _SMALL = 380, 260
#: Characters of a name of two in a row.
_ROOM = 14
#: Of a name that stands alone.
_ALONE = 28

Tree = Mapping[str, Any]


def guards_charts(result: Tree) -> dict[str, Spec]:
    """The charts by name: ``curve``, ``patterns``, ``differences``, ``cost``; ``curve-FAMILY``."""
    charts: dict[str, Spec] = {}
    names = [tree["name"] for tree in result["guards"]]
    colours = dict(zip(names, cycle(map(colour, _COLOURS)), strict=False))
    families = [name for name, part in result["samples"]["families"].items() if part["harmful"]]
    charts["curve"] = _curves(result, colours, None)
    if len(families) > 1:
        for name in families:
            charts[f"curve-{name}"] = _curves(result, colours, name)
    if patterns := _patterns(result, colours):
        charts["patterns"] = patterns
    for family in (None, *(families if len(families) > 1 else ())):
        if differences := _differences(result, family):
            charts["differences" if family is None else f"differences-{family}"] = differences
    if costs := _costs(result, colours):
        charts["cost"] = costs
    return {name: legible(chart) for name, chart in charts.items()}


def _curves(result: Tree, colours: Mapping[str, str], family: str | None) -> Spec:
    """Recall against false flags: lines with bands, and crosses of guards with verdicts alone."""
    points, lines, crosses = [], [], []
    for tree in result["guards"]:
        found = []
        for point in tree["curve"]:
            recall = point["recall"] if family is None else point["families"].get(family)
            if recall is not None:
                found.append(_row(tree["name"], point["false_flags"], recall, point["threshold"]))
        points += found
        lines += _stepped(found)
        if tree["kind"] == "verdicts":
            part = tree["verdicts"]
            recall = (part if family is None else part["families"][family])["recall"]
            crosses.append(_row(tree["name"], part["false_flags"], recall, None))
    names = list(colours)
    scale: Spec = {"domain": names, "range": list(colours.values())}
    dashes: Spec = {
        "domain": names,
        "range": [_DASHES[n // len(_COLOURS) % len(_DASHES)] for n in range(len(names))],
    }
    legend: Spec | None = {"title": None, "orient": "top"} if family is None else None
    hue: Spec = {"field": "guard", "type": "nominal", "scale": scale, "legend": legend}
    tooltip = [
        {"field": "guard", "title": " "},
        {"field": "at", "title": "flags at"},
        {"field": "false flags"},
        {"field": "recall"},
    ]
    layers: list[Spec] = [
        {
            "data": {"values": [{"bound": result["max_false_flags"]}]},
            "mark": {"type": "rule", "strokeDash": [4, 3], "strokeWidth": 1, "tooltip": None},
            "encoding": {"x": _x("bound"), "color": {"value": colour("muted")}},
        },
        {
            "data": {"values": lines},
            "mark": {"type": "area", "opacity": 0.14, "line": False, "tooltip": None},
            "encoding": {
                "x": _x("x"),
                "y": _y("low", family),
                "y2": {"field": "high"},
                "color": hue,
            },
        },
        {
            "data": {"values": lines},
            "mark": {"type": "line", "strokeWidth": 2, "tooltip": None},
            "encoding": {
                "x": _x("x"),
                "y": _y("y", family),
                "color": hue,
                "strokeDash": {
                    "field": "guard",
                    "type": "nominal",
                    "scale": dashes,
                    "legend": legend,
                },
            },
        },
        {
            "data": {"values": points},
            "mark": {"type": "point", "filled": True, "size": 22, "opacity": 1, "tooltip": None},
            "encoding": {"x": _x("x"), "y": _y("y", family), "color": hue},
        },
        {  # nothing to see: targets wide enough to hover
            "data": {"values": points},
            "mark": {"type": "point", "filled": True, "size": 160, "opacity": 0},
            "encoding": {"x": _x("x"), "y": _y("y", family), "tooltip": tooltip},
        },
    ]
    if crosses:
        rule = {"type": "rule", "strokeWidth": 3, "strokeCap": "round", "opacity": 0.45}
        shape = {
            "field": "guard",
            "type": "nominal",
            "scale": {"domain": names, "range": shapes_for(len(names))},
            "legend": legend,
        }
        layers += [
            {
                "data": {"values": crosses},
                "mark": {**rule, "tooltip": None},
                "encoding": {
                    "x": _x("left"),
                    "x2": {"field": "right"},
                    "y": _y("y", family),
                    "color": hue,
                },
            },
            {
                "data": {"values": crosses},
                "mark": {**rule, "tooltip": None},
                "encoding": {
                    "x": _x("x"),
                    "y": _y("low", family),
                    "y2": {"field": "high"},
                    "color": hue,
                },
            },
            {
                "data": {"values": crosses},
                "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
                "encoding": {
                    "x": _x("x"),
                    "y": _y("y", family),
                    "color": hue,
                    "shape": shape,
                    "tooltip": tooltip,
                },
            },
        ]
    of = "all harmful samples" if family is None else f"harmful {family} pairs"
    return {
        "description": f"Recall of {of} against the false-flag rate, by guard",
        **SIZING,
        "height": _HEIGHT if family is None else _SMALL,
        "layer": layers,
    }


def _stepped(points: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The points of a curve, level from one to the next where there is no threshold in between.

    Few different scores, or few harmless samples: a line straight to the next point would show
    recalls that no threshold reaches.
    """
    found = list(points[:1])
    for before, after in pairwise(points):
        # The first of these rates led to the point; a second one found no other.
        within = [rate for rate in RATES if before["x"] <= rate < after["x"] - 1e-9]
        if len(within) > 1:
            found.append({**before, "x": after["x"]})
        found.append(after)
    return found


def _row(name: str, false: Tree, recall: Tree, threshold: float | None) -> dict[str, Any]:
    return {
        "guard": name,
        "at": "its verdicts" if threshold is None else shown_threshold(threshold),
        "x": false["value"],
        "left": false["low"],
        "right": false["high"],
        "y": recall["value"],
        "low": recall["low"],
        "high": recall["high"],
        "false flags": format_rate(Rate.from_json(false)),
        "recall": format_rate(Rate.from_json(recall)),
    }


def _x(field: str) -> Spec:
    """False flags on a scale of square roots: their low end is what matters."""
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"type": "sqrt", "domain": [0, 1], "nice": False},
        "axis": {
            "values": [0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1],
            "format": "~%",
            # As many as there are values, else some of them are left out.
            "tickCount": 9,
            "labelOverlap": "greedy",
            "labelSeparation": 6,
        },
        "title": "false flags, of the harmless (square-root scale)",
    }


def _y(field: str, family: str | None) -> Spec:
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "axis": {"format": "~%"},
        "title": "recall" if family is None else f"recall, {family}",
    }


def _patterns(result: Tree, colours: Mapping[str, str]) -> Spec | None:
    scored = [tree for tree in result["guards"] if tree["auroc"] and tree["auroc"]["patterns"]]
    if not scored:
        return None
    marks = [
        IntervalMark(name, Rate.from_json(area), area["n"], tree["name"])
        for name in scored[0]["auroc"]["patterns"]
        for tree in scored
        for area in [tree["auroc"]["patterns"][name]]
    ]
    return interval_chart(
        marks,
        description="AUROC of each harmful pattern against all harmless samples, by guard",
        axis="AUROC",
        colours={tree["name"]: colours[tree["name"]] for tree in scored},
        reference=Rate(0.5, 0.5, 0.5),
    )


def _differences(result: Tree, family: str | None) -> Spec | None:
    """Of every two guards in recall of all, or of a family."""
    marks = []
    for pair in result["pairs"]:
        part = pair["recall"] if family is None else pair["families"].get(family)
        if part is not None:
            words = f"{_last(pair['second'])} − {_last(pair['first'])}"
            group = "claimed" if part["higher"] else "cannot be claimed"
            marks.append(IntervalMark(words, Rate.from_json(part["difference"]), None, group))
    if not marks:
        return None
    of = "recall" if family is None else f"recall of {family} pairs"
    return interval_chart(
        marks,
        description=f"Differences in {of} of every two guards at the same false-flag rate",
        axis=f"difference in {of}",
        colours={"claimed": colour("right"), "cannot be claimed": colour("edge")},
        domain=None,
        zero_line=True,
    )


def _costs(result: Tree, colours: Mapping[str, str]) -> Spec | None:
    if result["costs"] is None:
        return None
    names = short_names([tree["name"] for tree in result["guards"]], _ALONE)
    marks = []
    for tree in result["guards"]:
        rules = tree["thresholds"] or {}
        named = {"within the bound": "max_false_flags", "least cost": "least_cost"}
        for words, key in named.items():
            if key in rules:
                rate = Rate.from_json(rules[key]["cost_per_million"])
                marks.append(IntervalMark(names[tree["name"]], rate, None, words))
        if not rules and tree["withheld"] is None:
            rate = Rate.from_json(tree["verdicts"]["cost_per_million"])
            marks.append(IntervalMark(names[tree["name"]], rate, None, "its verdicts"))
    if not marks:
        return None
    hues = {"within the bound": "joint", "least cost": "right", "its verdicts": "escalating"}
    there = {mark.group for mark in marks}
    flat = min(result["cheapest"][key] for key in ("flag_nothing", "flag_everything"))
    return interval_chart(
        marks,
        description="Cost of a million requests by guard and rule for the threshold",
        axis="cost of a million requests",
        colours={words: colour(hue) for words, hue in hues.items() if words in there},
        domain=None,
        reference=Rate(flat, flat, flat),
    )


def _last(name: str) -> str:
    """A model's name without its provider, so short that two stand in a row."""
    return short_names([name.rpartition("/")[2]], _ROOM)[name.rpartition("/")[2]]
