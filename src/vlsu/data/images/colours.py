"""A few numbers that describe how an image looks, for classifiers that know nothing else of it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from vlsu.data.images.pixels import decode_picture, flatten

__all__ = ["colours"]

#: Fields across and down.
_FIELDS = 4


def colours(data: bytes) -> list[float]:
    """Mean red, green and blue of 4 by 4 fields in [0, 1], their spread, and width over height.

    Args:
        data: An image file.

    Returns:
        52 numbers.

    Raises:
        ImageError: It cannot be decoded.
    """
    picture = decode_picture(data, side=64)
    image = flatten(picture.image)
    small = image.resize((8 * _FIELDS, 8 * _FIELDS), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float64) / 255
    fields = pixels.reshape(_FIELDS, 8, _FIELDS, 8, 3).mean(axis=(1, 3))
    shape = float(np.log(image.width / image.height))
    return [*fields.ravel().tolist(), *pixels.std(axis=(0, 1)).tolist(), shape]
