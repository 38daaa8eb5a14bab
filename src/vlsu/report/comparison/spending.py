"""What runs cost for what they get right: a table, and charts of accuracy against cost and time."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import Any

from vlsu.analysis.stats.intervals import Rate
from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import SIZING, Spec, shapes_for
from vlsu.report.cost import money
from vlsu.report.table import ABSENT, Table, format_rate

__all__ = ["spending_charts", "spending_tables"]

#: Colours that runs go round in; one that comes again has another shape.
_COLOURS = ("late-fusion", "escalating", "de-escalating", "image", "text", "joint")
_HEIGHT = 320
#: Of the largest amount over the smallest, from which on the axis is logarithmic.
_WIDE = 30
_NAMES = {"joint.accuracy": "accuracy on the pair", "joint.f1_binary": "F1 of unsafe on the pair"}

Tree = Mapping[str, Any]


def spending_tables(comparison: Tree) -> list[Table]:
    """What the runs cost and score; none where no price is known.

    Args:
        comparison: As `vlsu.runs.finished.comparison.compare` makes it.
    """
    if "cost" not in comparison:
        return []
    found: Tree = comparison["cost"]
    scored = found["metric"] is not None
    rows = [_row(name, each, scored=scored) for name, each in found["runs"].items()]
    columns: tuple[str, ...] = ("run", "cost of 1,000 samples", "median s of a request")
    note = "Prices, caches and batches of each run as vlsu cost says."
    if scored:
        title = _NAMES[found["metric"]]
        points = f"points for 1 {_currency(found) or ''}".rstrip()
        columns = ("run", title, "cost of 1,000 samples", points, "median s", "unbeaten in")
        note = (
            "Points: hundredths of the score for each unit of money that 1,000 samples cost. "
            "Unbeaten: no other run is at least as good and cheaper, or faster; by the values "
            f"alone, of which intervals may overlap. {note}"
        )
    return [Table("spending", "What the runs cost", columns, tuple(rows), note)]


def _currency(found: Tree) -> str | None:
    """The currency of all prices, empty where it is not known; `None` of prices in several."""
    runs = found["runs"].values()
    currencies = {each["currency"] for each in runs if each["per_1000"] is not None}
    return (currencies.pop() or "") if len(currencies) == 1 else None


def _row(name: str, each: Tree, *, scored: bool) -> tuple[str, ...]:
    price = money(each["per_1000"], each["currency"])
    latency = ABSENT if each["latency_s"] is None else f"{each['latency_s']:.3g}"
    if not scored:
        return name, price, latency
    points = each["points_per_unit"]
    best = [part for part in ("cost", "latency") if each[f"unbeaten_in_{part}"]]
    return (
        name,
        format_rate(Rate.from_json(each["score"])),
        price,
        ABSENT if points is None else f"{points:,.3g}",
        latency,
        ", ".join(best) or ABSENT,
    )


def spending_charts(comparison: Tree, labels: Mapping[str, str]) -> dict[str, Spec]:
    """Score against cost and against latency, a point a run; a line joins what none beats.

    Args:
        comparison: As `vlsu.runs.finished.comparison.compare` makes it.
        labels: Name of a run -> its label.
    """
    found: Tree = comparison.get("cost", {"metric": None})
    if found["metric"] is None:
        return {}
    charts = {}
    currency = _currency(found)
    if currency is not None:
        unit = f", {currency}" if currency else ""
        charts["cost"] = _chart(found, labels, "per_1000", "cost", f"cost of 1,000 samples{unit}")
    charts["latency"] = _chart(found, labels, "latency_s", "latency", "median seconds of a request")
    return {f"spending-{name}": chart for name, chart in charts.items() if chart is not None}


def _chart(found: Tree, labels: Mapping[str, str], key: str, part: str, title: str) -> Spec | None:
    values = []
    for name, each in found["runs"].items():
        score = Rate.from_json(each["score"])
        if each[key] is None or score.value is None:
            continue
        values.append(
            {
                "run": labels[name],
                "letter": labels[name].partition(" ")[0],
                "takes": each[key],
                **{f"score {side}": value for side, value in score.as_dict().items()},
                "shown": format_rate(score),
                "amount": f"{each[key]:,.3g}",
                "best": bool(each[f"unbeaten_in_{part}"]),
            }
        )
    if len(values) < 2:
        return None
    name = _NAMES[found["metric"]]
    most, least = (f(float(str(each["takes"])) for each in values) for f in (max, min))
    wide = least > 0 and most / least > _WIDE
    scale: Spec = {"type": "log"} if wide else {"zero": True}
    x: Spec = {"field": "takes", "type": "quantitative", "title": title, "scale": scale}

    def y(side: str) -> Spec:
        field = f"score {side}"
        return {"field": field, "type": "quantitative", "title": name, "scale": {"domain": [0, 1]}}

    domain = [str(each["run"]) for each in values]
    hues = [hue for hue, _ in zip(cycle(map(colour, _COLOURS)), domain, strict=False)]
    legend = {"title": None, "orient": "top", "columns": 1, "labelLimit": 300}

    def of_run(range_: list[str]) -> Spec:
        scale = {"domain": domain, "range": range_}
        return {"field": "run", "type": "nominal", "scale": scale, "legend": legend}

    line = {"type": "line", "strokeDash": [4, 3], "strokeWidth": 1, "tooltip": None}
    return {
        "description": f"{name[0].upper()}{name[1:]} against {title}, a point a run",
        **SIZING,
        "height": _HEIGHT,
        "data": {"values": values},
        "encoding": {
            "tooltip": [
                {"field": "run"},
                {"field": "shown", "title": name},
                {"field": "amount", "title": title},
            ]
        },
        "layer": [
            {
                "transform": [{"filter": "datum.best"}],
                "mark": line,
                "encoding": {"x": x, "y": y("value"), "color": {"value": colour("muted")}},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 3, "strokeCap": "round", "opacity": 0.45},
                "encoding": {
                    "x": x,
                    "y": y("low"),
                    "y2": {"field": "score high"},
                    "color": of_run(hues),
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 130, "opacity": 1},
                "encoding": {
                    "x": x,
                    "y": y("value"),
                    "color": of_run(hues),
                    "shape": of_run(shapes_for(len(domain))),
                },
            },
            {
                "mark": {"type": "text", "dx": 10, "dy": -6, "align": "left", "fontSize": 13},
                "encoding": {
                    "x": x,
                    "y": y("value"),
                    "text": {"field": "letter"},
                    "color": {"value": colour("ink")},
                },
            },
        ],
    }
