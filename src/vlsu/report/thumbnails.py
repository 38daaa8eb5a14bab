"""Small pictures for the page, made without trusting the files they are made from."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from vlsu._cores import cores
from vlsu.data import Dataset, ImageError
from vlsu.data.images.pixels import decode_picture, flatten
from vlsu.errors import DataError

__all__ = ["Thumbnail", "thumbnail", "thumbnails"]

#: Longest side, in pixels.
SIDE = 160
#: Behind transparent pixels: neither black nor white drawings vanish on it.
_GROUND = (214, 214, 214)
_QUALITY = 60
#: Effort of WebP's encoder, 0 to 6: with 4, its own choice, it takes twice as long for a twentieth
#: less.
_EFFORT = 2
#: Images made small before the room that is left is looked at.
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture as a data URI with its size in pixels, or the reason why there is none."""

    uri: str | None = None
    width: int = 0
    height: int = 0
    reason: str = ""


def thumbnail(data: bytes) -> Thumbnail:
    """A WebP of at most `SIDE` pixels a side; of an animation, the first frame.

    Never raises on what is in `data`: a damaged or oversized image becomes a reason.
    """
    try:
        picture = decode_picture(data, side=2 * SIDE).image
    except ImageError as error:
        return Thumbnail(reason=str(error))
    picture.thumbnail((SIDE, SIDE))
    picture = flatten(picture, _GROUND)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=_QUALITY, method=_EFFORT)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return Thumbnail(f"data:image/webp;base64,{encoded}", *picture.size)


def thumbnails(dataset: Dataset, hashes: Iterable[str], room: int) -> dict[str, Thumbnail]:
    """The thumbnails of these images of a dataset, or the reasons why there is none.

    Args:
        dataset: Holds the images.
        hashes: Of the images; those first that matter most.
        room: Characters of data URIs at most; what comes after has no thumbnail and is left out.
    """

    def of(sha256: str) -> Thumbnail:
        try:
            return thumbnail(dataset.read_image(sha256))
        except DataError:
            gone = dataset.image_path(sha256) is None
            return Thumbnail(reason="the file is missing" if gone else "the file cannot be read")

    distinct = iter(dict.fromkeys(hashes))
    made: dict[str, Thumbnail] = {}
    with ThreadPoolExecutor(cores()) as threads:
        while batch := list(islice(distinct, _BATCH)):
            for sha256, picture in zip(batch, threads.map(of, batch), strict=True):
                room -= len(picture.uri or "")
                if room < 0:
                    return made
                made[sha256] = picture
    return made
