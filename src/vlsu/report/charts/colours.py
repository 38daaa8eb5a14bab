"""Colours of charts: custom properties of the page's stylesheet, named once, there.

One drawing serves light, dark and print. Hues are Okabe and Ito's, which colour-blind people tell
apart; a heat map's shades end where the page's ink can still be read on them. Where there is no
stylesheet, in pictures, `resolved` puts the colours themselves in their place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["colour", "palette", "resolved", "shade"]

_PROPERTY = re.compile(r"--([\w-]+):\s*light-dark\((#[0-9a-f]{6}),\s*(#[0-9a-f]{6})\)")
_MIX = re.compile(r"color-mix\(in srgb, var\(--([\w-]+)\) (\d+)%, var\(--([\w-]+)\)\)")
_VARIABLE = re.compile(r"var\(--([\w-]+)\)")


def colour(name: str) -> str:
    """The custom property of that name, such as ``var(--joint)``."""
    return f"var(--{name})"


def shade(name: str, share: float) -> str:
    """The colour of a heat map's cell: from the page's ground at 0 to the full shade at 1.

    Args:
        name: A colour that has a shade in the stylesheet, such as ``joint``.
        share: In [0, 1].
    """
    return f"color-mix(in srgb, var(--heat-{name}) {100 * share:.0f}%, var(--paper))"


@cache
def palette(*, dark: bool = False) -> Mapping[str, str]:
    """Name -> colour (``#0072b2``), as the stylesheet has it."""
    text = files("vlsu.report").joinpath("static", "report.css").read_text(encoding="utf-8")
    return {name: (light, night)[dark] for name, light, night in _PROPERTY.findall(text)}


def resolved(tree: Any, *, dark: bool = False) -> Any:
    """A copy of a chart's specification with colours in place of custom properties."""
    if isinstance(tree, dict):
        return {key: resolved(value, dark=dark) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [resolved(value, dark=dark) for value in tree]
    if not isinstance(tree, str):
        return tree
    colours = palette(dark=dark)
    mixed = _MIX.sub(lambda m: _mixed(colours[m[1]], int(m[2]) / 100, colours[m[3]]), tree)
    return _VARIABLE.sub(lambda m: colours[m[1]], mixed)


def _mixed(first: str, share: float, second: str) -> str:
    """The sRGB mix of two colours, as ``color-mix`` makes it."""
    channels = (
        round(int(first[n : n + 2], 16) * share + int(second[n : n + 2], 16) * (1 - share))
        for n in (1, 3, 5)
    )
    return "#" + "".join(f"{channel:02x}" for channel in channels)
