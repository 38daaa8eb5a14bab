"""Faces: found by OpenCV's cascades, and blurred where a person never agreed to be shown.

An open licence of a photo is the photographer's word, not that of the people in it. Where the pair
is harmful their faces are blurred. Cascades (Viola and Jones, *Rapid Object Detection using a
Boosted Cascade of Simple Features*, 2001) find frontal faces of photos well, profiles and drawings
less, and dark skin on dark ground worst: how well is in ``docs/build-design.md``, and nobody should
rely on them alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from vlsu.data.images.pixels import decode_picture, flatten
from vlsu.data.images.stripping import LOSSLESS, encoded
from vlsu.errors import MissingExtraError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Box", "blurred", "find_faces"]

#: Longer side of the picture that is searched, in pixels, and the smallest face in it.
_SIDE, _LEAST = 480, 32
#: How much larger than the found box the blurred one is, of its side, at each edge.
_MARGIN = 0.2
#: Blocks of a blurred face across: too few to recognise anybody by.
_BLOCKS = 6
#: Cascade, votes that a place needs, whether the mirrored picture is searched too.
_CASCADES = (
    ("haarcascade_frontalface_default.xml", 4, False),
    ("haarcascade_frontalface_alt2.xml", 3, False),
    ("haarcascade_profileface.xml", 4, True),
)
_STEP = 1.1


class Box(NamedTuple):
    """A place in a picture, in pixels from its upper left corner."""

    left: int
    top: int
    right: int
    bottom: int


def find_faces(picture: Image.Image) -> list[Box]:
    """Places that look like faces, each once.

    Args:
        picture: Upright, of any mode.

    Raises:
        MissingExtraError: OpenCV is not installed.
    """
    cv2, numpy = _opencv()
    grey = numpy.asarray(flatten(picture).convert("L"))
    scale = _SIDE / max(grey.shape)
    small = cv2.resize(
        grey, None, fx=scale, fy=scale,
        interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC,
    )  # fmt: skip
    found: list[Box] = []
    for name, votes, both in _CASCADES:
        cascade = _cascade(name)
        for image in (small, cv2.createCLAHE(3.0, (8, 8)).apply(small)):
            for mirrored in (False, True) if both else (False,):
                searched = cv2.flip(image, 1) if mirrored else image
                for x, y, width, height in cascade.detectMultiScale(
                    searched, scaleFactor=_STEP, minNeighbors=votes, minSize=(_LEAST, _LEAST)
                ):
                    left = small.shape[1] - x - width if mirrored else x
                    box = (left, y, left + width, y + height)
                    found.append(Box(*(round(int(edge) / scale) for edge in box)))
    return _apart(found)


def blurred(data: bytes) -> tuple[bytes, int]:
    """An image file with the faces in it blurred, and how many were found; as it was without any.

    What is blurred is encoded anew, without metadata but its colour profile.

    Args:
        data: The file.

    Raises:
        ImageError: It is no image that can be read whole.
        MissingExtraError: OpenCV is not installed.
    """
    picture = decode_picture(data)
    boxes = find_faces(picture.image)
    if not boxes:
        return data, 0
    image = picture.image.copy()
    for box in boxes:
        _blur(image, box)
    lossless = picture.facts.media_type in LOSSLESS or image.mode in ("LA", "RGBA")
    return encoded(image, picture.profile, lossless=lossless)[0], len(boxes)


def _blur(image: Image.Image, box: Box) -> None:
    from PIL import Image, ImageFilter

    margin = round(_MARGIN * max(box.right - box.left, box.bottom - box.top))
    wide = (
        max(0, box.left - margin),
        max(0, box.top - margin),
        min(image.width, box.right + margin),
        min(image.height, box.bottom + margin),
    )
    part = image.crop(wide)
    blocks = part.resize((_BLOCKS, _BLOCKS), Image.Resampling.BOX)
    soft = blocks.resize(part.size, Image.Resampling.BICUBIC)
    soft = soft.filter(ImageFilter.GaussianBlur(max(part.size) / _BLOCKS / 2))
    image.paste(soft, wide[:2])


def _apart(boxes: Iterable[Box]) -> list[Box]:
    """The boxes, those that overlap by half of the smaller one made one."""
    found: list[Box] = []
    for box in sorted(boxes):
        for n, other in enumerate(found):
            width = min(box.right, other.right) - max(box.left, other.left)
            height = min(box.bottom, other.bottom) - max(box.top, other.top)
            if width > 0 and height > 0 and 2 * width * height >= min(_area(box), _area(other)):
                found[n] = Box(
                    min(box.left, other.left),
                    min(box.top, other.top),
                    max(box.right, other.right),
                    max(box.bottom, other.bottom),
                )
                break
        else:
            found.append(box)
    return found


def _area(box: Box) -> int:
    return (box.right - box.left) * (box.bottom - box.top)


@cache
def _cascade(name: str) -> Any:
    cv2, _ = _opencv()
    return cv2.CascadeClassifier(f"{cv2.data.haarcascades}{name}")


def _opencv() -> tuple[Any, Any]:
    try:
        import cv2
    except ImportError:
        raise MissingExtraError("--faces (all but keep)", "build") from None
    import numpy

    return cv2, numpy
