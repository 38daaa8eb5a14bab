"""What was downloaded, as an image of the dataset: looked at, then stored by its content."""

from __future__ import annotations

import hashlib

from vlsu.data.fetching.faults import FetchFaultError, Reason
from vlsu.data.images.pixels import decode_picture
from vlsu.data.images.probe import MAX_BYTES, MAX_PIXELS, ImageError, ImageFacts, ImageFault, probe
from vlsu.data.images.store import ImageStore

__all__ = ["MAX_IMAGE_BYTES", "accept"]

#: Maximum bytes of an image that is fetched: larger ones most providers refuse.
MAX_IMAGE_BYTES = MAX_BYTES

_REASONS = {
    ImageFault.ZERO_BYTE: Reason.EMPTY,
    ImageFault.UNREADABLE: Reason.DAMAGED,
    ImageFault.TRUNCATED: Reason.DAMAGED,
    ImageFault.OVERSIZED: Reason.OVERSIZED,
    ImageFault.BOMB: Reason.OVERSIZED,
}


def accept(store: ImageStore, data: bytes, required: str | None = None) -> str:
    """Store an image that is whole, and return its SHA-256.

    What a server says of its content does not count: an error page of type ``image/jpeg`` is no
    image. The header is read by the decoder of its format, and the number of pixels is bounded. A
    JPEG that ends with its end mark and a PNG whose checksums are right are whole; what else there
    is, is decoded.

    Args:
        store: Where it goes.
        data: The bytes.
        required: The hash that it must have, if any.

    Raises:
        FetchFaultError: It is no image, is damaged, has too many pixels, or is not the one that is
            required.
        DataError: The store cannot be written.
    """
    try:
        facts = probe(data)
    except ImageError as error:
        reason = _REASONS[error.fault]
        no_image = error.fault is ImageFault.UNREADABLE
        raise FetchFaultError(Reason.NOT_AN_IMAGE if no_image else reason) from None
    try:
        if not _is_whole(data, facts):
            decode_picture(data, side=1, facts=facts)
    except ImageError as error:
        raise FetchFaultError(_REASONS[error.fault]) from None
    if required is not None and hashlib.sha256(data).hexdigest() != required:
        raise FetchFaultError(Reason.OTHER_IMAGE)
    return store.add(data, facts)


def _is_whole(data: bytes, facts: ImageFacts) -> bool:
    """Whether that is seen without decoding, which takes ten times as long."""
    if facts.pixels > MAX_PIXELS:
        return False
    if facts.extension == "jpg":
        return data.rstrip(b"\0").endswith(_END_OF_JPEG)
    return facts.extension == "png"  # `probe` has read every chunk


_END_OF_JPEG = b"\xff\xd9"
