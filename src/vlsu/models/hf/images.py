"""The images of a request as the processors of vision models take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlsu.data.images.pixels import decode_picture, flatten
from vlsu.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

    from vlsu.models.base import ImageSource

__all__ = ["rgb"]


def rgb(images: ImageSource, sha256: str) -> Image.Image:
    """The first frame of an image as upright 8-bit RGB, transparency on white, in full size.

    Raises:
        DataError: The image is missing or cannot be read.
    """
    data = images.read_image(sha256).data
    try:
        return flatten(decode_picture(data).image)
    except DataError as error:
        raise DataError(f"image {sha256}: {error}") from None
