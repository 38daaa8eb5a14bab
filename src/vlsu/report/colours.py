"""Colours of charts: custom properties of the page's stylesheet, named once, there.

One drawing serves light, dark and print. Hues are Okabe and Ito's, which colour-blind people tell
apart; a heat map's shades end where the page's ink can still be read on them.
"""

from __future__ import annotations

__all__ = ["colour", "shade"]


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
