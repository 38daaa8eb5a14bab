"""The images of requests: as they are stored, in base64, and which of them a provider accepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import pybase64

__all__ = [
    "HEAD",
    "Encoded",
    "EncodedImage",
    "ImageFile",
    "ImageLimits",
    "ImageSource",
    "is_deep_grey",
]


@dataclass(frozen=True)
class ImageFile:
    """An image's bytes as stored in the dataset, and their media type (``image/png``)."""

    data: bytes
    media_type: str

    @cached_property
    def base64(self) -> bytes:
        """The bytes in base64, encoded once."""
        return pybase64.b64encode(self.data)


class Encoded(Protocol):
    """An image in base64, as wire formats write it."""

    @property
    def media_type(self) -> str:
        """Such as ``image/png``."""
        ...

    @property
    def base64(self) -> bytes:
        """The bytes in base64."""
        ...


class EncodedImage(NamedTuple):
    """An image of which only the base64 is kept in memory."""

    media_type: str
    base64: bytes


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """The images that a provider accepts.

    Attributes:
        media_types: The media types that it decodes.
        max_base64: Maximum bytes of the image in base64; `None` for no documented limit.
        max_side: Maximum pixels of the longer side; `None` for no documented limit.
        animated_gif: Whether a GIF may hold more than one frame.
    """

    media_types: tuple[str, ...]
    max_base64: int | None = None
    max_side: int | None = None
    animated_gif: bool = False

    def identity(self) -> Mapping[str, object]:
        """JSON-ready, for the model's identity."""
        return {
            "media_types": list(self.media_types),
            "max_base64": self.max_base64,
            "max_side": self.max_side,
            "animated_gif": self.animated_gif,
        }

    def accepts(self, media_type: str, size: int, head: bytes | bytearray = b"") -> bool:
        """Whether an image is known to be accepted from its type and size alone, without decoding.

        Args:
            media_type: Its media type.
            size: Its size in bytes.
            head: Its first `HEAD` bytes.
        """
        still = media_type != "image/gif" or self.animated_gif
        known = media_type in self.media_types and self.fits(size)
        return known and still and self.max_side is None and not is_deep_grey(head)

    def fits(self, size: int) -> bool:
        """Whether an image of this many bytes is within the limit once in base64."""
        return self.max_base64 is None or (size + 2) // 3 * 4 <= self.max_base64


#: Bytes of a file that `is_deep_grey` inspects.
HEAD = 26


def is_deep_grey(head: bytes | bytearray) -> bool:
    """Whether a file begins as a 16-bit greyscale PNG, which many servers clip to white.

    They decode it with Pillow, which clips values above 255 when it converts to RGB.
    """
    return head[24:HEAD] == b"\x10\0" and head[:8] == b"\x89PNG\r\n\x1a\n"


class ImageSource(Protocol):
    """Provides the images of requests by their digests."""

    def read_image(self, sha256: str) -> ImageFile:
        """The image of that digest.

        Raises:
            DataError: The image is missing or cannot be read.
        """
        ...

    def read_encoded(self, sha256: str) -> Encoded:
        """The same in base64.

        Raises:
            DataError: The image is missing or cannot be read.
        """
        ...
