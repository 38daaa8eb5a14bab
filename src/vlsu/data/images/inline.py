"""Images embedded in a row, as a data URI or in base64."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from vlsu.data.images.probe import MAX_READ_BYTES, ImageError, ImageFault

__all__ = ["begins_as_image", "inline_image"]

#: Shorter values are file names.
_MIN_LENGTH = 64
#: Maximum characters of a data URI before its data.
_MAX_HEADER_LENGTH = 256
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-]*={0,2}")
_MAGIC = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"),
    *(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
)

#: Brands of AVIF and HEIC.
_FTYP = (b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix", b"hevc")


def inline_image(value: str) -> bytes | None:
    """The bytes of the image embedded in a value, or `None` if it is a name or a URL.

    A data URI is recognised by its scheme, base64 by the signature of an image format. Of a name
    only the first characters are inspected.

    Raises:
        ImageError: The image cannot be decoded or is too large.
    """
    text = value.strip()
    if text[:5].lower() == "data:":
        return _from_uri(text)
    text = text.removeprefix("base64,")
    if text[:2] in ("b'", 'b"') and text[-1:] == text[1]:
        text = text[2:-1]  # Python's representation of bytes
    if len(text) < _MIN_LENGTH or not _begins_as_image(text[:_MIN_LENGTH]):
        return None
    return _from_base64(text)


def _from_uri(text: str) -> bytes:
    head, comma, body = text[:_MAX_HEADER_LENGTH].partition(",")
    if not comma:
        raise ImageError(ImageFault.UNREADABLE, "a data URI without data")
    body = text[len(head) + 1 :]
    if head.lower().endswith(";base64"):
        return _from_base64(unquote_to_bytes(body).decode("latin-1") if "%" in body else body)
    _require_size(len(body))
    return unquote_to_bytes(body)


def _from_base64(text: str) -> bytes:
    _require_size(len(text) * 3 // 4)
    plain = "".join(text.split()) if any(mark in text for mark in " \t\r\n") else text
    plain = plain.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ImageError(ImageFault.UNREADABLE, "its base64 is broken") from None


def _begins_as_image(text: str) -> bool:
    head = "".join(text.split())
    head = head[: len(head) // 4 * 4]
    if not head or not _BASE64.fullmatch(head):
        return False
    try:
        data = base64.urlsafe_b64decode(head.replace("+", "-").replace("/", "_"))
    except (binascii.Error, ValueError):
        return False
    return begins_as_image(data)


def begins_as_image(data: bytes) -> bool:
    """Whether bytes begin with the signature of an image format."""
    return (
        data.startswith(_MAGIC)
        or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
        or (data[4:8] == b"ftyp" and data[8:12] in _FTYP)
        or (data[:2] == b"BM" and data[6:10] == bytes(4))
    )


def _require_size(size: int) -> None:
    if size > MAX_READ_BYTES:
        raise ImageError(ImageFault.OVERSIZED, f"over {MAX_READ_BYTES // 2**20} MiB, not read")
