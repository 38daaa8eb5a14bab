"""Removing what an image file says beside its picture, so that it is not sent to a model.

Camera data with the place a photo was taken at, captions, editing histories, previews and whatever
lies behind the picture are cut out of JPEG, PNG, WebP and GIF files; compressed pixels, colour
profiles and transparency stay byte for byte. A file without any of these is left as it is.

Kept are, by the specifications: JPEG (ITU-T T.81, JFIF 1.02) without application segments other
than JFIF, ICC profile and Adobe's colour transform; PNG (third edition) without text, time and EXIF
chunks and private ones; WebP (RFC 9649) without EXIF, XMP and unknown chunks; GIF 89a without
comments and applications' blocks other than those of loops and colour profiles.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

__all__ = ["is_bare", "says_no_side", "without_metadata"]

Data = bytes | bytearray

_PNG = b"\x89PNG\r\n\x1a\n"
_CHUNK = struct.Struct(">I4s")
#: Ancillary chunks of a PNG that its picture depends on.
_PNG_KEPT = frozenset(
    (
        *(b"tRNS", b"iCCP", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs", b"hIST", b"sPLT"),
        *(b"acTL", b"fcTL", b"fdAT", b"cICP", b"mDCV", b"mDCv", b"cLLI", b"cLLi"),
    )
)
_WEBP_KEPT = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"ICCP"))
#: Bits of a VP8X chunk that announce EXIF and XMP.
_WEBP_ANNOUNCED = 0x0C
_GIF_KEPT = (b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012")
#: Segments of a JPEG that its picture depends on, and how they begin.
_JPEG_KEPT = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
#: Length of a JFIF segment without a preview.
_JFIF_LENGTH = 16
#: Where the picture ends, or an application's segment or a comment begins.
_JPEG_END_OR_NOTE = re.compile(rb"\xff[\xd9\xe0-\xef\xfe]")
_JPEG_MARKER = re.compile(rb"\xff+[^\xff\0\xd0-\xd7]")
#: The same without the bytes that may fill up before it: found several times as fast.
_JPEG_MARKER_PROPER = re.compile(rb"\xff[^\xff\0\xd0-\xd7]")
#: What begins a note that may say which side of a picture is up.
_SIDES = {
    "image/jpeg": (b"Exif\0", b"http://ns.adobe.com/xap/"),
    "image/png": (b"eXIf", b"Raw profile type ", b"XML:com.adobe.xmp"),
}
_OF_ITEMS = ("image/heic", "image/heif", "image/avif")
#: What may stand behind a picture and says nothing.
_PADDING = b"\0\r\n "
_MAX_PARTS = 500_000


def is_bare(media_type: str, data: Data, size: int) -> bool:
    """Whether the first `size` bytes are an image known to hold no metadata; takes microseconds.

    False where that is not certain.
    """
    if media_type == "image/jpeg":
        return _is_bare_jpeg(data, size)
    if media_type == "image/png":
        try:
            return not _png_notes(data, size)
        except (ValueError, struct.error):
            return False
    file = bytes(memoryview(data)[:size])
    return without_metadata(media_type, file) is file


def without_metadata(media_type: str, data: bytes) -> bytes | None:
    """The file without metadata; its own bytes if it has none.

    Which side is up is metadata: a picture that is not upright must be turned before.

    Returns:
        `None` if the file is damaged or of a format from which nothing can be cut.
    """
    cut = _CUTTERS.get(media_type)
    if cut is None:
        # The types of a HEIC's or AVIF's items stand in plain sight; a BMP has no metadata.
        items = media_type in _OF_ITEMS and b"Exif" not in data and b"mime" not in data
        return data if items or media_type == "image/bmp" else None
    try:
        bare = cut(data)
    except (ValueError, IndexError, struct.error):
        return None
    return data if bare == data else bare


def says_no_side(media_type: str, data: Data) -> bool:
    """Whether no metadata says which side of a picture is up: it is to be shown as it lies.

    False where that is not certain.
    """
    notes = _SIDES.get(media_type)
    return notes is not None and not any(note in data for note in notes)


def _is_bare_jpeg(data: Data, size: int) -> bool:
    at = 2
    while at + 4 <= size and data[at] == 0xFF and data[at + 1] != 0xDA:
        if not _is_kept(data, at):
            return False
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    if at + 4 > size or data[at] != 0xFF:
        return False
    # In compressed pixels 0xFF is never followed by what marks the end or a note.
    mark = _JPEG_END_OR_NOTE.search(data, at, size)
    return mark is not None and mark.start() == size - 2 and mark[0] == b"\xff\xd9"


def _is_kept(data: Data, at: int) -> bool:
    """Whether a segment belongs to the picture as it is."""
    marker = data[at + 1]
    if not (0xE0 <= marker <= 0xEF or marker == 0xFE):
        return True
    head = _JPEG_KEPT.get(marker)
    if head is None or not data.startswith(head, at + 4):
        return False
    return marker != 0xE0 or data[at + 2 : at + 4] == b"\0\x10"


def _jpeg(data: bytes) -> bytes:
    """The first picture of a JPEG, to its end."""
    if not data.startswith(b"\xff\xd8"):
        raise ValueError("no JPEG")
    pieces = [data[:2]]
    at = 2
    for _ in range(_MAX_PARTS):
        found = _JPEG_MARKER.match(data, at)
        if found is None:
            raise ValueError("no segment where one is due")
        filled, at = at, found.end() - 2  # bytes of 0xFF may fill up before a marker
        marker = data[at + 1]
        if marker == 0xD9:
            tail = data[at + 2 :]
            pieces.append(data[filled:] if not tail.strip(_PADDING) else data[filled : at + 2])
            return b"".join(pieces)
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if end > len(data) or end < at + 4:
            raise ValueError("a segment ends behind the file")
        if _is_kept(data, at):
            pieces.append(data[filled:end])
        elif marker == 0xE0 and data.startswith(b"JFIF\0", at + 4) and end - at >= 18:
            # Without its preview: version, unit and density stay.
            pieces.append(b"\xff\xe0\0\x10" + data[at + 4 : at + 16] + b"\0\0")
        at = end
        if marker == 0xDA:
            found = _JPEG_MARKER_PROPER.search(data, at)
            if found is None:
                pieces.append(data[at:])
                return b"".join(pieces)  # cut off within its pixels
            end = found.start()
            while end > at and data[end - 1] == 0xFF:
                end -= 1
            pieces.append(data[at:end])
            at = end
    raise ValueError("more segments than any picture has")


def _png(data: bytes) -> bytes:
    pieces, begun = [], 0
    for start, end in _png_notes(data, len(data)):
        pieces.append(data[begun:start])
        begun = end
    return b"".join((*pieces, data[begun:]))


def _png_notes(data: Data, size: int) -> list[tuple[int, int]]:
    """Where chunks that are not of the picture, and what lies behind it, begin and end.

    Raises:
        ValueError: It is no whole PNG.
    """
    if not data.startswith(_PNG):
        raise ValueError("no PNG")
    notes = []
    at = len(_PNG)
    for _ in range(_MAX_PARTS):
        length, name = _CHUNK.unpack_from(data, at)
        end = at + 12 + length
        if end > size:
            raise ValueError("a chunk ends behind the file")
        if name[0] & 0x20 and name not in _PNG_KEPT:
            notes.append((at, end))
        at = end
        if name == b"IEND":
            if data[at:size].strip(_PADDING):
                notes.append((at, size))
            return notes
    raise ValueError("more chunks than any picture has")


def _webp(data: bytes) -> bytes:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise ValueError("no WebP")
    stated = 8 + int.from_bytes(data[4:8], "little")
    if stated > len(data):
        raise ValueError("the file ends before the picture does")
    kept: list[bytes] = []
    at = 12
    dropped = bool(data[stated:].strip(_PADDING))
    while at + 8 <= stated:
        name, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length + length % 2
        if at + 8 + length > stated:
            raise ValueError("a chunk ends behind the file")
        piece = data[at:end]
        if name not in _WEBP_KEPT:
            dropped = True
        elif name == b"VP8X" and length and piece[8] & _WEBP_ANNOUNCED:
            dropped = True
            kept.append(piece[:8] + bytes([piece[8] & ~_WEBP_ANNOUNCED]) + piece[9:])
        else:
            kept.append(piece)
        at = end
    if not dropped:
        return data
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _gif(data: bytes) -> bytes:
    if data[:6] not in (b"GIF87a", b"GIF89a"):
        raise ValueError("no GIF")
    at = 13 + _colours(data[10])
    pieces = [data[:at]]
    while True:
        kind = data[at]
        if kind == 0x3B:
            tail = data[at + 1 :]
            pieces.append(data[at:] if not tail.strip(_PADDING) else b";")
            return b"".join(pieces)
        if kind == 0x21:
            end = _after_blocks(data, at + 2)
            label, name = data[at + 1], data[at + 3 : at + 14]
            note = label == 0xFE or (label == 0xFF and name not in _GIF_KEPT)
            if not note:
                pieces.append(data[at:end])
        elif kind == 0x2C:
            end = _after_blocks(data, at + 10 + _colours(data[at + 9]) + 1)
            pieces.append(data[at:end])
        else:
            raise ValueError("no block where one is due")
        at = end


def _colours(flags: int) -> int:
    """Bytes of a colour table."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += data[at] + 1
    return at + 1


_CUTTERS: dict[str, Callable[[bytes], bytes]] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/webp": _webp,
    "image/gif": _gif,
}
