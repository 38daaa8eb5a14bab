"""Heat maps: cells in rows and columns, each with its number written in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vlsu.report.charts.colours import shade
from vlsu.report.charts.dots import SIZING, Spec

__all__ = ["HeatCell", "heat_map"]

_PALEST = 0.1
#: Of a letter, and of the columns together in a picture of the usual width.
_LETTER_PX, _PICTURE_PX = 6.5, 480
#: Of axes that only name rows and columns.
_BARE: Spec = {"domain": False, "ticks": False, "grid": False, "labelPadding": 6}


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A cell of a heat map.

    Attributes:
        share: Of the full shade, in [0, 1]; `None` leaves the cell blank.
        colour: A colour of the stylesheet that has a shade.
        title: Stands above the number; may be empty.
        number: Written in the cell.
        detail: Written small below it; may be empty.
        tooltip: Lines of the tooltip, by name.
        chosen: The filters of the sample list that choose the cell's samples.
    """

    x: str
    y: str
    share: float | None
    colour: str
    number: str
    title: str = ""
    detail: str = ""
    tooltip: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)


def heat_map(
    cells: Sequence[HeatCell],
    *,
    description: str,
    columns: Sequence[str],
    rows: Sequence[str],
    x_title: str | None = None,
    y_title: str | None = None,
    row_px: int = 44,
    upright: bool = False,
) -> Spec:
    """Cells by row and column; a place without a cell stays empty.

    Args:
        cells: One a place at most.
        description: What the chart shows, for those who cannot see it.
        columns: Values of `HeatCell.x`, left to right.
        rows: Values of `HeatCell.y`, top to bottom.
        x_title: Of the columns.
        y_title: Of the rows.
        row_px: Height of a row.
        upright: Turn the names of the columns, where there are too many to lie; the page turns
            those that have no room in it.
    """
    named = list(dict.fromkeys(name for cell in cells for name in cell.tooltip))
    data = [
        {
            "x": cell.x,
            "y": cell.y,
            "fill": "transparent" if cell.share is None else _fill(cell.colour, cell.share),
            "title": cell.title,
            "number": cell.number,
            "detail": cell.detail,
            **{f"tooltip {n}": cell.tooltip.get(name, "") for n, name in enumerate(named)},
            **({"chosen": dict(cell.chosen)} if cell.chosen else {}),
        }
        for cell in cells
    ]
    titled, detailed = any(c.title for c in cells), any(c.detail for c in cells)
    tooltip = [{"field": f"tooltip {n}", "title": name} for n, name in enumerate(named)]
    chosen = any(cell.chosen for cell in cells)
    layers: list[Spec] = [
        {
            "mark": {
                "type": "rect",
                "cornerRadius": 3,
                "stroke": "var(--paper)",
                "strokeWidth": 2,
                **({"cursor": "pointer"} if chosen else {}),
            },
            "encoding": {
                "fill": {"field": "fill", "type": "nominal", "scale": None},
                **({"tooltip": tooltip} if tooltip else {}),
            },
        },
        _text("number", dy=1 if titled == detailed else (7 if titled else -7), size=13),
    ]
    if titled:
        layers.append(_text("title", dy=-row_px // 2 + 13, size=10.5))
    if detailed:
        layers.append(_text("detail", dy=row_px // 2 - (11 if titled else 9), size=10.5))
    return {
        "description": description,
        **SIZING,
        "height": row_px * len(rows),
        "data": {"values": data},
        "encoding": {
            "x": {
                "field": "x",
                "type": "nominal",
                "sort": None,
                "scale": {"domain": list(columns), "paddingInner": 0, "paddingOuter": 0},
                "axis": {
                    **_BARE,
                    "title": x_title,
                    "labelAngle": -90 if upright or _crowded(columns) else 0,
                    "labelLimit": 240,
                    "orient": "top",
                },
            },
            "y": {
                "field": "y",
                "type": "nominal",
                "sort": None,
                "scale": {"domain": list(rows), "paddingInner": 0, "paddingOuter": 0},
                "axis": {**_BARE, "title": y_title},
            },
        },
        "layer": layers,
    }


def _crowded(columns: Sequence[str]) -> bool:
    """Whether names side by side would be written over each other in a picture."""
    longest = max(map(len, columns), default=0)
    return longest * _LETTER_PX > _PICTURE_PX / max(len(columns), 1)


def _fill(name: str, share: float) -> str:
    """The cell's shade; at a share of 0 it can still be distinguished from the ground."""
    return shade(name, _PALEST + (1 - _PALEST) * share)


def _text(field_: str, *, dy: int, size: float) -> Spec:
    mark = {"type": "text", "dy": dy, "fontSize": size, "color": "var(--ink)"}
    return {"mark": {**mark, "tooltip": None}, "encoding": {"text": {"field": field_}}}
