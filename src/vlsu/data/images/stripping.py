"""Image files without metadata, for publication: pixels stay as they are wherever possible.

A provider is sent a picture that lies as it is to be seen; whoever is given a file can turn it. So
the one note that stays is which side is up, and a turned JPEG, PNG or WebP keeps its pixels byte
for byte (EXIF 2.32, orientation alone).
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from vlsu.data.images.metadata import is_bare, without_metadata
from vlsu.data.images.pixels import decode_picture, orientation
from vlsu.data.images.probe import EXTENSIONS, ImageFacts, probe

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["LOSSLESS", "Stripped", "encoded", "stripped"]

#: Media types of files whose pixels are what was drawn; converted, they are so still.
LOSSLESS = frozenset({"image/png", "image/gif", "image/bmp", "image/tiff"})

#: Encoder settings: fixed, so that the same image always gives the same bytes.
JPEG_QUALITY = 95
PNG_LEVEL = 6

_UPRIGHT = 1
#: A TIFF directory with one entry: orientation, a 16-bit number.
_DIRECTORY = struct.Struct(">2sHIHHHIHHI")
#: Bit of a VP8X chunk that announces EXIF.
_WEBP_EXIF = 0x08
#: Where a PNG's second chunk begins, and how far a JFIF segment reaches.
_PNG_HEAD, _JFIF_END = 33, 20


class Stripped(NamedTuple):
    """A file without metadata.

    Attributes:
        extension: Of its format, without a dot.
        converted: Whether its pixels had to be encoded again.
    """

    data: bytes
    extension: str
    converted: bool


def stripped(data: bytes, extension: str) -> Stripped:
    """The image file without metadata; its own bytes if it has none.

    JPEG, PNG, WebP and GIF keep their pixels, and which side is up. Other formats with metadata
    (HEIC, AVIF, TIFF, JPEG 2000) are decoded, turned upright, and encoded in 8 bits a channel: as
    PNG if they lose nothing by that or are transparent, else as JPEG.

    Args:
        data: The file.
        extension: Of its format, a key of `EXTENSIONS`.

    Raises:
        ImageError: It has to be decoded and cannot be.
    """
    media_type = EXTENSIONS[extension]
    if is_bare(media_type, data, len(data)):
        return Stripped(data, extension, converted=False)
    facts = probe(data)
    bare = _cut(data, facts)
    if bare is not None:
        return Stripped(data if bare == data else bare, extension, converted=False)
    picture = decode_picture(data, facts=facts)
    lossless = media_type in LOSSLESS or picture.image.mode in ("LA", "RGBA")
    file, kind = encoded(picture.image, picture.profile, lossless=lossless)
    return Stripped(file, "png" if kind == "image/png" else "jpg", converted=True)


def encoded(picture: Image.Image, profile: bytes | None, *, lossless: bool) -> tuple[bytes, str]:
    """A decoded picture as PNG or JPEG, without metadata but its colour profile; its media type."""
    buffer = io.BytesIO()
    if lossless:
        picture.save(buffer, "PNG", compress_level=PNG_LEVEL, icc_profile=profile)
        return buffer.getvalue(), "image/png"
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0, icc_profile=profile)
    return buffer.getvalue(), "image/jpeg"


def _cut(data: bytes, facts: ImageFacts) -> bytes | None:
    """The file without metadata but for which side is up; `None` if that is not possible."""
    bare = without_metadata(facts.media_type, data)
    if bare is None:
        return None
    turn = orientation(data, facts)
    return bare if turn == _UPRIGHT else _turned(bare, facts.media_type, turn)


def _turned(bare: bytes, media_type: str, turn: int) -> bytes | None:
    """A file without metadata, with a note of which side is up."""
    exif = _DIRECTORY.pack(b"MM", 42, 8, 1, 0x0112, 3, 1, turn, 0, 0)
    if media_type == "image/jpeg":
        at = _JFIF_END if bare[2:4] == b"\xff\xe0" else 2
        body = b"Exif\0\0" + exif
        return bare[:at] + b"\xff\xe1" + (len(body) + 2).to_bytes(2) + body + bare[at:]
    if media_type == "image/png":
        sum_ = zlib.crc32(b"eXIf" + exif)
        note = struct.pack(">I4s", len(exif), b"eXIf") + exif + sum_.to_bytes(4)
        return bare[:_PNG_HEAD] + note + bare[_PNG_HEAD:]
    if media_type == "image/webp" and bare[12:16] == b"VP8X":
        chunks = bare[12:20] + bytes([bare[20] | _WEBP_EXIF]) + bare[21:]
        body = b"WEBP" + chunks + struct.pack("<4sI", b"EXIF", len(exif)) + exif
        return b"RIFF" + len(body).to_bytes(4, "little") + body
    return None
