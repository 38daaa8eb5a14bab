"""Colours that share a chart are told apart by those who see fewer of them, light and dark."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from vlsu.report.charts.colours import palette

#: Colours that stand in one chart.
CHARTS = {
    "families": ("late-fusion", "escalating", "de-escalating"),
    "modalities": ("image", "text", "joint"),
    "right": ("right", "wrong"),
    "severities": ("safe", "borderline", "unsafe"),
    "differences": ("right", "edge"),
    "board": ("joint", "text"),
    "outcomes": ("ok", "refused", "blocked", "error", "unparsed"),
}
#: How linear sRGB is seen without one kind of cones (Machado, Oliveira and Fernandes 2009, 100%).
SEEN = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
_XYZ = np.array(
    (
        (0.4124564, 0.3575761, 0.1804375),
        (0.2126729, 0.7151522, 0.0721750),
        (0.0193339, 0.1191920, 0.9503041),
    )
)


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of linear sRGB."""
    x, y, z = (_XYZ @ rgb.clip(0, 1)) / (_XYZ @ np.ones(3))
    fx, fy, fz = (
        t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in (x, y, z)
    )
    return np.array((116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)))


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("chart", CHARTS)
def test_colours_of_a_chart_are_told_apart(chart: str, dark: bool, seen: str) -> None:
    colours = palette(dark=dark)
    shown = {name: lab(np.array(SEEN[seen]) @ linear(colours[name])) for name in CHARTS[chart]}
    apart = {
        pair: float(np.linalg.norm(shown[pair[0]] - shown[pair[1]]))
        for pair in combinations(shown, 2)
    }
    assert min(apart.values()) > 10, apart


def test_red_and_green_would_be_found_alike() -> None:
    red, green = (
        lab(np.array(SEEN["deuteranopia"]) @ linear(colour)) for colour in ("#a86d35", "#8a7a2d")
    )
    assert np.linalg.norm(red - green) < 10
