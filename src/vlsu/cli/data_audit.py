"""What ``vlsu data check`` says of shortcuts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlsu.errors import VlsuError

if TYPE_CHECKING:
    from vlsu.data import Dataset

__all__ = ["audit", "shortcut_lines"]

#: Shortcuts that are named on the screen; --json has them all.
_NAMED = 5


def audit(dataset: Dataset) -> dict[str, Any]:
    """``text_only`` and ``shortcuts`` of a dataset; see `vlsu.analysis.shortcuts.audit`."""
    from vlsu.analysis.shortcuts.audit import shortcut_audit
    from vlsu.data.images.colours import colours

    def look(sha256: str) -> list[float] | None:
        try:
            return colours(dataset.images.read(sha256))
        except (VlsuError, MemoryError):  # a finding of the check
            return None

    with dataset.reading():
        return shortcut_audit(dataset.frame(), look=look)


def shortcut_lines(audited: dict[str, Any]) -> list[str]:
    """The audit in a few sentences, without a sample's text."""
    told, shortcuts = audited["text_only"], audited["shortcuts"]
    if not told["n"]:
        return ["shortcuts: too few samples of two joint grades to look for any"]
    parts = [
        f"{name} {_percent(told[key])}"
        for key, name in (
            ("text", "the text alone"),
            ("image", "the image alone"),
            ("apart", "both apart"),
        )
        if told[key]["value"] is not None
    ]
    drawn = f" ({shortcuts['n']} of {shortcuts['of']} samples)" * (shortcuts["n"] < shortcuts["of"])
    lines = [
        f"joint grade as told from {', '.join(parts)}; the commonest grade is "
        f"{_percent(told['majority'])}{drawn}"
    ]
    found = shortcuts["found"]
    if not shortcuts["tests"]:
        lines.append("shortcuts: no two pairs of the same part grades differ in joint grade")
    elif not found:
        lines.append(f"shortcuts: none of {shortcuts['tests']} probes is above chance")
    else:
        named = []
        for each in sorted(found, key=lambda each: float(each["p_adjusted"]))[:_NAMED]:
            contrast = shortcuts["contrasts"][each["contrast"]]
            value = contrast["probes"][each["probe"]]["balanced_accuracy"]["value"]
            chance = contrast["chance"]
            named.append(
                f"{each['contrast']} by {each['probe']} ({value:.2f}, chance {chance:.2f})"
            )
        more = ", …" * (len(found) > _NAMED)
        lines.append(
            f"shortcuts: {len(found)} of {shortcuts['tests']} probes are above chance: "
            f"{', '.join(named)}{more}"
        )
    return lines


def _percent(rate: dict[str, float]) -> str:
    return f"{100 * rate['value']:.0f}% [{100 * rate['low']:.0f}, {100 * rate['high']:.0f}]"
