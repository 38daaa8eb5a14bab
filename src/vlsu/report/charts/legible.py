"""Names in charts: no longer than there is room for, never two alike, nothing but text.

Names of models, framings and categories are other people's. One that is long loses its middle, as
names that differ mostly do so at one of their ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from vlsu._text import harmless
from vlsu.report.charts.dots import Spec

__all__ = ["legible", "short_names"]

#: Characters of a name in a chart at most.
ROOM = 32
_CHANNELS = ("x", "y", "color", "shape", "strokeDash", "yOffset")


def short_names(names: Iterable[str], room: int = ROOM) -> dict[str, str]:
    """Name -> what stands for it where room is short; no two are alike.

    Args:
        names: All that stand side by side.
        room: Characters at most.
    """
    short_of: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(names):
        short = plain = _shortened(" ".join(harmless(name[: 50 * room]).split()), room)
        number = 1
        while short in taken:
            number += 1
            short = f"{_shortened(plain, room - len(f' ({number})'))} ({number})"
        taken.add(short)
        short_of[name] = short
    return short_of


def legible(chart: Spec) -> Spec:
    """A copy of a chart whose names, in scales and data, are short."""
    fields: dict[str, list[str]] = {}
    for encoding in _encodings(chart):
        for channel in _CHANNELS:
            part = encoding.get(channel)
            if not isinstance(part, dict) or part.get("type") != "nominal":
                continue
            domain = (part.get("scale") or {}).get("domain", [])
            known = fields.setdefault(str(part["field"]), [])
            known += [name for name in domain if isinstance(name, str)]
    for row in _rows(chart):
        for field, known in fields.items():
            if isinstance(row.get(field), str):
                known.append(row[field])
    names = {field: short_names(known) for field, known in fields.items()}
    if all(long == short for known in names.values() for long, short in known.items()):
        return chart
    return cast("Spec", _renamed(chart, names))


def _shortened(name: str, room: int) -> str:
    if len(name) <= room:
        return name
    tail = room // 3
    return f"{name[: room - tail - 1].rstrip('-_ /')}…{name[-tail:].lstrip('-_ /')}"


def _encodings(chart: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "encoding" in chart:
        yield chart["encoding"]
    for layer in chart.get("layer", ()):
        yield from _encodings(layer)


def _rows(chart: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from chart.get("data", {}).get("values", ())
    for layer in chart.get("layer", ()):
        yield from _rows(layer)


def _renamed(chart: Mapping[str, Any], names: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    copy = dict(chart)
    if "data" in copy:
        rows = [
            {
                k: names[k].get(v, v) if k in names and isinstance(v, str) else v
                for k, v in r.items()
            }
            for r in copy["data"]["values"]
        ]
        copy["data"] = {**copy["data"], "values": rows}
    if "encoding" in copy:
        copy["encoding"] = {
            channel: _scaled(part, names) if channel in _CHANNELS else part
            for channel, part in copy["encoding"].items()
        }
    if "layer" in copy:
        copy["layer"] = [_renamed(layer, names) for layer in copy["layer"]]
    return copy


def _scaled(part: Any, names: Mapping[str, Mapping[str, str]]) -> Any:
    """An encoding whose scale has the short names of its field."""
    if not isinstance(part, dict) or part.get("field") not in names:
        return part
    scale = part.get("scale")
    if not isinstance(scale, dict) or "domain" not in scale:
        return part
    known = names[part["field"]]
    return {**part, "scale": {**scale, "domain": [known.get(n, n) for n in scale["domain"]]}}
