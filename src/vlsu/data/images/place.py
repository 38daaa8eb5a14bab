"""Whether an image file says where its picture was taken.

Looked at are EXIF coordinates, of the first picture and of the others that a multi-picture file
holds (CIPA DC-007, a second view or a preview); coordinates and city in XMP; and city and location
in IPTC (IIM 4.2, record 2, datasets 90 and 92). A country alone is no place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from PIL import Image, IptcImagePlugin

from vlsu.data.images.probe import ImageFacts, read_picture

__all__ = ["states_place"]

_GPS, _LATITUDE, _LONGITUDE = 0x8825, 2, 4
#: XMP's names of the same and of a city and a part of it, as attribute or element, not empty.
_XMP_CITY = rb"(?:photoshop:City|Iptc4xmpCore:Location|Iptc4xmpExt:(?:City|Sublocation))"
_XMP_PLACES = re.compile(
    rb":GPS(?:Latitude|Longitude)|%b\s*=\s*[\"']\s*[^\s\"']|<%b[^<>]{0,200}>\s*[^\s<]"
    % (_XMP_CITY, _XMP_CITY)
)
_IPTC_CITY, _IPTC_PART = (2, 90), (2, 92)
#: How EXIF begins in a file, bytes of it that are looked at, and how many of them.
_EXIF = b"Exif\0\0"
_EXIF_BYTES, _MAX_EXIFS = 2**16, 64


def states_place(data: bytes, facts: ImageFacts) -> bool:
    """Whether an image file says where it was taken: in its EXIF, XMP or IPTC.

    Args:
        data: The file.
        facts: What its header says.

    Raises:
        ImageError: It cannot be opened.
    """
    if _XMP_PLACES.search(data):
        return True  # of plain text in a file of any format, unless it is compressed
    if read_picture(data, _has_place, facts):
        return True
    return any(map(_has_coordinates, _exifs(data)))


def _has_place(source: Image.Image) -> bool:
    return any(_holds(look, source) for look in (_exif_place, _xmp_place, _iptc_place))


def _holds(look: object, value: object) -> bool:
    try:
        return bool(look(value))  # type: ignore[operator]
    except Exception:  # damaged or hostile, and then nothing is known of it
        return False


def _exif_place(source: Image.Image) -> bool:
    return _coordinates(source.getexif())


def _xmp_place(source: Image.Image) -> bool:
    notes = [source.info.get(key) for key in ("xmp", "XML:com.adobe.xmp")]
    texts = [each.encode() if isinstance(each, str) else each for each in notes if each]
    return any(_XMP_PLACES.search(text) for text in texts)


def _iptc_place(source: Image.Image) -> bool:
    stated = IptcImagePlugin.getiptcinfo(source) or {}  # type: ignore[arg-type]
    values = [stated.get(key, b"") for key in (_IPTC_CITY, _IPTC_PART)]
    flat = [each for value in values for each in (value if isinstance(value, list) else [value])]
    return any(each.strip(b"\0 ") for each in flat)


def _exifs(data: bytes) -> Iterator[bytes]:
    """Every EXIF in a file, also of pictures behind the first."""
    at = data.find(_EXIF)
    for _ in range(_MAX_EXIFS):
        if at < 0:
            return
        yield data[at : at + _EXIF_BYTES]
        at = data.find(_EXIF, at + len(_EXIF))


def _has_coordinates(exif: bytes) -> bool:
    return _holds(_coordinates_of, exif)


def _coordinates_of(exif: bytes) -> bool:
    tree = Image.Exif()
    tree.load(exif)
    return _coordinates(tree)


def _coordinates(exif: Image.Exif) -> bool:
    return bool({_LATITUDE, _LONGITUDE} & exif.get_ifd(_GPS).keys())
