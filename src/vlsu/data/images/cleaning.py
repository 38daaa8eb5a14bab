"""Removing metadata from image files before they are decoded.

A decoder reads more of a file than its pixels: texts, thumbnails, camera metadata. If one of these
is damaged or too large, Pillow rejects the file although its picture is intact. Parts that are not
needed for the picture are therefore removed before decoding; the stored file stays unchanged.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import Literal

__all__ = ["cleaned", "jpeg_scans", "without_texts"]

#: Chunks of a PNG that decide what it looks like, beside those whose names begin with a capital.
_OF_THE_PICTURE = frozenset({b"tRNS", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"fdAT"})
_STILL = frozenset({b"tRNS"})
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
#: Texts that may say which side is up.
_UPRIGHT = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")
#: Bytes of a text or colour profile, as Pillow bounds them.
_MAX_INFLATED_BYTES = 2**20
_PNG = b"\x89PNG\r\n\x1a\n"
#: Of a file of 256 MiB in chunks of the usual 8 KiB there are 32,768.
_MAX_CHUNKS = 500_000

_JFIF, _EXIF, _ICC, _ADOBE, _COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
#: Other notes bear the same numbers: XMP that of Exif, pictures behind the first that of profiles.
_HEADS = {_JFIF: b"JFIF\0", _EXIF: b"Exif\0\0", _ICC: b"ICC_PROFILE\0", _ADOBE: b"Adobe"}
#: Bytes of any of these, with the marker before them.
_MIN_LENGTH = 16


#: Tags without which a TIFF cannot be decoded, and those that say how its values are meant: which
#: side is up, their range, their colour profile.
_TIFF_PICTURE = frozenset(
    {
        *(254, *range(256, 260), 262, 266, 273, *range(277, 280), 284, 292, 293, 317, 320),
        *(*range(322, 326), 332, 338, 339, 347, *range(512, 522), *range(529, 533)),
    }
)
_TIFF_MEANING = frozenset({274, 340, 341, 34675})
_ENTRY = 12


def without_texts(data: bytes) -> bytes:
    """A PNG without texts and notes, any other file as it is.

    What says which side is up is kept where it is sound, and so is a colour profile.

    Raises:
        ValueError: A PNG of more chunks than any picture has.
    """
    return _png(data, _OF_THE_PICTURE) if data.startswith(_PNG) else data


def cleaned(data: bytes) -> Iterator[bytes]:
    """The file without more and more of what is not its picture, for where it is not read as it is.

    First without what only a few programs use, then without what says which side is up.
    """
    if data.startswith(_PNG):
        yield _png(data, _STILL | {b"iCCP", b"eXIf"})
        yield _png(data, _STILL)
    elif data.startswith(b"\xff\xd8"):
        yield _jpeg(data, frozenset({_JFIF, _EXIF, _ICC, _ADOBE}))
        yield _jpeg(data, frozenset({_ADOBE}))
    elif data[:4] in (b"II*\0", b"MM\0*"):
        yield _tiff(data, _TIFF_PICTURE | _TIFF_MEANING)
        yield _tiff(data, _TIFF_PICTURE)
    elif data[4:8] == b"ftyp":
        # The name of the item in the file's list of items, which lies before its pixels.
        head = re.sub(rb"(?s)(infe.{8})Exif", rb"\1none", data[:4096])
        yield head + data[4096:]


def jpeg_scans(data: bytes) -> int:
    """Passes over its pixels that a JPEG has its decoder make; 0 of any other file."""
    if not data.startswith(b"\xff\xd8"):
        return 0
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":
        padding = data[at + 1 : at + 2] == b"\xff"
        at += 1 if padding else 2 + max(2, int.from_bytes(data[at + 2 : at + 4]))
    end = data.find(b"\xff\xd9", at)
    return data.count(b"\xff\xda", at, len(data) if end < 0 else end)


def _png(data: bytes, kept: frozenset[bytes]) -> bytes:
    """The chunks whose names begin with a capital, and those in `kept` that are sound."""
    pieces: list[memoryview] = []
    view = memoryview(data)
    begun = 0  # of what is to be copied
    at = len(_PNG)
    for _ in range(_MAX_CHUNKS):
        if at + 12 > len(data):
            break
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data) or name == b"IEND":
            break
        ancillary = bool(name[0] & 0x20)
        if ancillary and not (name in kept | _TEXTS and _is_sound(data, at, length, name, kept)):
            pieces.append(view[begun:at])
            begun = end
        at = end
    else:
        raise ValueError("more chunks than any picture has")
    if not pieces:
        return data
    return b"".join((*pieces, view[begun:]))


def _is_sound(data: bytes, at: int, length: int, name: bytes, kept: frozenset[bytes]) -> bool:
    if name in (b"tRNS", b"fcTL", b"fdAT", b"acTL"):
        return True  # of the picture: damage to it is damage to the picture
    body = data[at + 8 : at + 8 + length]
    if zlib.crc32(data[at + 4 : at + 8 + length]) != int.from_bytes(
        data[at + 8 + length : at + 12 + length]
    ):
        return False
    if name == b"eXIf":
        return True
    if name == b"iCCP":
        _, _, rest = body.partition(b"\0")
        return rest[:1] == b"\0" and _inflates(rest[1:])
    if b"eXIf" not in kept or not body.startswith(_UPRIGHT):
        return False
    _, _, rest = body.partition(b"\0")
    if name == b"zTXt":
        return rest[:1] == b"\0" and _inflates(rest[1:])
    if name == b"iTXt" and rest[:1] == b"\1":
        parts = rest[2:].split(b"\0", 2)
        return len(parts) == 3 and _inflates(parts[2])
    return len(rest) < _MAX_INFLATED_BYTES


def _inflates(data: bytes) -> bool:
    """Whether zlib data is sound and not too large."""
    inflating = zlib.decompressobj()
    try:
        inflating.decompress(data, _MAX_INFLATED_BYTES)
    except zlib.error:
        return False
    return inflating.eof


def _jpeg(data: bytes, kept: frozenset[int]) -> bytes:
    """The segments before the picture, without applications' notes other than `kept`."""
    pieces = [data[:2]]
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker == 0xDA or 0xD0 <= marker <= 0xD9:
            break
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        note = 0xE0 <= marker <= 0xEF or marker == _COMMENT
        sound = end - at >= _MIN_LENGTH and data.startswith(_HEADS.get(marker, b""), at + 4)
        if not note or (marker in kept and sound):
            pieces.append(data[at:end])
        at = end
    return b"".join((*pieces, data[at:]))


def _tiff(data: bytes, kept: frozenset[int]) -> bytes:
    """The first page, its directory without other tags than those in `kept`."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    start = int.from_bytes(data[4:8], order)
    count = int.from_bytes(data[start : start + 2], order)
    entries = [
        entry
        for at in range(start + 2, start + 2 + _ENTRY * count, _ENTRY)
        if int.from_bytes((entry := data[at : at + _ENTRY])[:2], order) in kept
    ]
    directory = b"".join((len(entries).to_bytes(2, order), *entries, bytes(4)))
    return data[:start] + directory + data[start + len(directory) :]
