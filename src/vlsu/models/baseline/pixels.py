"""From an image file's bytes to pixels as the small models of the baseline see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlsu.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["MAX_SIDE", "decode"]

#: Longer images are scaled down to this side: none of the models looks closer.
MAX_SIDE = 1280


def decode(data: bytes) -> Image.Image:
    """The first frame as upright RGB on white, at most `MAX_SIDE` wide and high.

    Raises:
        ValueError: The bytes are no image that can be read whole, or a decompression bomb.
    """
    from PIL import Image

    from vlsu.data.images.pixels import decode_picture, flatten

    try:
        rgb = flatten(decode_picture(data, side=MAX_SIDE).image)
    except DataError as error:
        raise ValueError(f"image cannot be decoded: {error}") from None
    rgb.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BICUBIC)
    return rgb
