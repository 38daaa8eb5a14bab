"""The charts of a run as pictures, SVG and PNG, drawn without a browser and without a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlsu._folders import make_folder, require_replaceable
from vlsu.errors import UsageError
from vlsu.report.charts.colours import resolved
from vlsu.report.charts.dots import CONFIG, Spec
from vlsu.report.written import chart as chart_file
from vlsu.runs.folder import write_atomically

__all__ = ["pictures", "write_figures"]

#: Width of a chart, and of one of several that stand side by side, in pixels.
_WIDTH, _NARROW = 640, 250
#: Pixels of a PNG for one of the drawing.
_SCALE = 3
#: Charts that stand side by side in one picture: what their names begin with -> their titles.
_TOGETHER = {
    "map": "{} together",
    "confusion": "{}",
    "reliability": "{}",
    "categories": "{} pairs",
}
_VEGA_LITE = "6.4"
_LOOK: Spec = {
    **CONFIG,
    "background": "white",
    "font": "Liberation Sans, Arial, sans-serif",
    "title": {"fontSize": 13, "anchor": "start", "color": "var(--ink)"},
    "axisY": {"labelLimit": 300},
}


def pictures(charts: Mapping[str, Spec]) -> dict[str, Spec]:
    """What to draw, by file name: charts in light colours, of a fixed size, on white.

    The maps of patterns, the confusions and the reliability diagrams stand side by side.
    """
    drawn: dict[str, Any] = {}
    for name, chart in charts.items():
        kind, _, part = name.partition("-")
        if kind in _TOGETHER and part:
            caption = {key: chart[key] for key in ("title",) if key in chart}
            row = drawn.setdefault(kind, {"hconcat": [], "spacing": 24, **caption})
            cell = _sized(chart, _NARROW)
            cell.pop("padding", None)
            row["hconcat"].append({**cell, "title": _TOGETHER[kind].format(part)})
        else:
            drawn[name] = _sized(chart, _WIDTH)
    return {name: {**resolved(chart), "config": resolved(_LOOK)} for name, chart in drawn.items()}


def write_figures(charts: Mapping[str, Spec], folder: Path) -> list[Path]:
    """Draw charts into a folder, each as NAME.svg and NAME.png.

    Returns:
        The files, in the order of the charts.

    Raises:
        UsageError: The package that draws is not installed, the folder cannot be made, or another
            file has the name of a chart.
        RunError: A file cannot be written.
    """
    try:
        import vl_convert
    except ImportError:
        raise UsageError(
            "figures are drawn by vl-convert-python; install vlsu with its extra: "
            "pip install 'vlsu[figures]'"
        ) from None
    drawn = pictures(charts)
    for name in drawn:
        for suffix in ("svg", "png"):
            file = folder / f"{name}.{suffix}"
            require_replaceable(file, "--figures", chart_file(file))
    make_folder(folder)
    files = []
    for name, spec in drawn.items():
        svg = vl_convert.vegalite_to_svg(spec, vl_version=_VEGA_LITE)
        write_atomically(folder / f"{name}.svg", svg.encode())
        png = vl_convert.svg_to_png(svg, scale=_SCALE)
        write_atomically(folder / f"{name}.png", png)
        files += [folder / f"{name}.svg", folder / f"{name}.png"]
    return files


def _sized(chart: Spec, width: int) -> dict[str, Any]:
    """The chart without what only a page can give: the width of its place."""
    return {**{key: value for key, value in chart.items() if key != "autosize"}, "width": width}
