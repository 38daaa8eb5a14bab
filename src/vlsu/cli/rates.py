"""Rates on a line of text."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["rate_text"]


def rate_text(tree: Mapping[str, float | None], absent: str = "–") -> str:
    """A rate as JSON holds it, with its interval: ``0.52 [0.45, 0.60]``.

    Args:
        tree: ``{"value", "low", "high"}``.
        absent: Shown where there is no value.

    Example:
        >>> rate_text({"value": 0.5, "low": 0.25, "high": 0.75})
        '0.50 [0.25, 0.75]'
    """
    if tree["value"] is None:
        return absent
    return f"{tree['value']:.2f} [{tree['low']:.2f}, {tree['high']:.2f}]"
