"""Data in a page: what a script element can hold, and how much of it fits."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

import orjson
from markupsafe import Markup

__all__ = ["embedded_json", "packed"]

#: Entries compressed together before the room that is left is looked at.
_BATCH = 64
#: Of zlib: the highest, 9, takes several times as long for a fiftieth less.
_LEVEL = 6
#: Window bits that make zlib write gzip, which browsers can undo.
_GZIP = 31


def embedded_json(value: object) -> Markup:
    """JSON that can stand in a script element: it holds no ``<``, ``>`` or ``&``, all is ASCII.

    Half a surrogate pair, a null byte and the line separators JavaScript once stumbled over are
    escapes like any other character beyond ASCII.
    """
    escaped = _json(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup(escaped)  # noqa: S704 - nothing in it can end the element or start another


def packed(
    entries: Iterable[Mapping[str, object]],
    room: int,
    taken: Callable[[Sequence[Mapping[str, object]]], object] = lambda _: None,
) -> tuple[str, int]:
    """A JSON list of the first entries as gzip in base64, and how many they are.

    Args:
        entries: Taken as far as they fit, in batches.
        room: Characters of the result at most, and some dozen more.
        taken: Called with each batch that is in the list, before the next one is made.
    """
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    data = compressor.compress(b"[")
    count, source = 0, iter(entries)
    while batch := list(islice(source, _BATCH)):
        before = compressor.copy()
        text = (b"," if count else b"") + _json_bytes(batch)[1:-1]
        more = compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)
        if (len(data) + len(more)) * 4 / 3 > room:
            compressor = before
            break
        data += more
        count += len(batch)
        taken(batch)
    data += compressor.compress(b"]") + compressor.flush()
    return base64.b64encode(data).decode(), count


def _json_bytes(value: object) -> bytes:
    """As `_json`: what holds no character beyond ASCII is written in a fifth of the time."""
    try:
        quick = orjson.dumps(value)
    except TypeError:  # such as half a surrogate pair
        quick = b""
    if quick and quick.isascii() and b"\x7f" not in quick:
        return quick
    return _json(value).encode()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
