"""From an image file's bytes to pixels."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

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
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data)) as image:
            image.draft("RGB", (MAX_SIDE, MAX_SIDE))  # a JPEG is then decoded at reduced size
            upright = ImageOps.exif_transpose(image)
            if upright.has_transparency_data:
                layer = upright.convert("RGBA")
                upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
            rgb = upright.convert("RGB")
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"image cannot be decoded: {error}") from error
    rgb.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BICUBIC)
    return rgb
