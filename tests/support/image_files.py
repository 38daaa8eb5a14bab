"""Image files made byte by byte, as tests of decoders need them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

__all__ = ["chunk", "png", "saved", "tiff"]

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    """The file that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def chunk(name: bytes, body: bytes, crc: int | None = None) -> bytes:
    """A chunk of a PNG, with its checksum or another."""
    sound = zlib.crc32(name + body)
    return (
        struct.pack(">I4s", len(body), name)
        + body
        + struct.pack(">I", sound if crc is None else crc)
    )


def png(values: np.ndarray, depth: int, colour: int, *chunks: bytes, after: bytes = b"") -> bytes:
    """A PNG of samples as they are to lie in the file, such as 0..3 at a depth of 2.

    Args:
        values: Of shape (height, width) or (height, width, channels).
        depth: Bits of a sample.
        colour: 0 grey, 2 colour, 3 palette, 4 grey with alpha, 6 colour with alpha.
        chunks: Put before the pixels.
        after: Put behind them.
    """
    height, width = values.shape[:2]
    rows = values.reshape(height, -1)
    if depth == 16:
        lines = [row.astype(">u2").tobytes() for row in rows]
    elif depth == 8:
        lines = [row.astype(np.uint8).tobytes() for row in rows]
    else:
        bits = (rows[:, :, None] >> np.arange(depth - 1, -1, -1)) & 1
        lines = [np.packbits(row.reshape(-1).astype(np.uint8)).tobytes() for row in bits]
    assert rows.shape[1] == width * _CHANNELS[colour]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + line for line in lines))
    return b"".join(
        (
            *(b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *chunks),
            *(chunk(b"IDAT", pixels), after, chunk(b"IEND", b"")),
        )
    )


def tiff(values: np.ndarray, photometric: int = 1, **tags: int | float) -> bytes:
    """An uncompressed little-endian TIFF of one grey channel, with the numbers as they are.

    Args:
        values: Of shape (height, width); their type says how a sample is stored.
        photometric: 0 if the least value is white, 1 if it is black.
        tags: ``least`` and ``greatest``: the range that the file states.
    """
    kinds = {"u": 1, "i": 2, "f": 3}
    height, width = values.shape
    data = values.astype(values.dtype.newbyteorder("<")).tobytes()
    entries = [
        (256, 3, width),
        (257, 3, height),
        (258, 3, values.dtype.itemsize * 8),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, len(data)),
        (339, 3, kinds[values.dtype.kind]),
    ]
    for tag, name in ((340, "least"), (341, "greatest")):
        if name in tags:
            entries.append((tag, 11, tags[name]))
    directory = struct.pack("<H", len(entries))
    for tag, kind, value in entries:
        packed = struct.pack(
            {3: "<HH", 4: "<I", 11: "<f"}[kind], *((value, 0) if kind == 3 else (value,))
        )
        directory += struct.pack("<HHI", tag, kind, 1) + packed
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + bytes(4)
