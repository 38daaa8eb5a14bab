"""Small pictures for the page, made without trusting the files they are made from."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from vlsu._cores import cores
from vlsu.data.images.pixels import decode_picture, flatten
from vlsu.data.images.probe import ImageError
from vlsu.data.images.store import ImageStore
from vlsu.errors import DataError
from vlsu.models.processes import Pool

if TYPE_CHECKING:
    from vlsu.data import Dataset

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
#: So many images are worth processes of their own, and so many of these at most.
_MANY, _PROCESSES = 128, 4


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

    Many are made in processes of their own: threads wait for an interpreter that is busy.

    Args:
        dataset: Holds the images.
        hashes: Of the images; those first that matter most. Taken as they are needed.
        room: Characters of data URIs at most; what comes after has no thumbnail and is left out.
    """
    root = str(dataset.images.root)
    distinct = ((root, sha256) for sha256 in _distinct(hashes))
    first = list(islice(distinct, _MANY))
    many = len(first) == _MANY and cores() > 1
    made: dict[str, Thumbnail] = {}
    with closing((_in_processes if many else _in_threads)(chain(first, distinct))) as pictures:
        for (_, sha256), picture in pictures:
            room -= len(picture.uri or "")
            if room < 0:
                break
            made[sha256] = picture
    return made


#: Folder of a dataset, and the hash of one of its images.
_Wanted = tuple[str, str]
_Made = Generator[tuple[_Wanted, Thumbnail], None, None]


class Maker:
    """Makes the thumbnails of images of datasets, here or in a process."""

    def answer_packed(self, packed: Sequence[_Wanted]) -> list[Thumbnail]:
        """Thumbnails, or the reasons why there is none, in order."""
        return [self._of(ImageStore(Path(root)), sha256) for root, sha256 in packed]

    def _of(self, images: ImageStore, sha256: str) -> Thumbnail:
        try:
            return thumbnail(images.read(sha256))
        except DataError:
            gone = sha256 not in images
            return Thumbnail(reason="the file is missing" if gone else "the file cannot be read")


def _in_threads(wanted: Iterable[_Wanted]) -> _Made:
    return _shared_out(wanted, Maker().answer_packed, cores())


def _in_processes(wanted: Iterable[_Wanted]) -> _Made:
    count = min(cores(), _PROCESSES)
    pool = Pool(f"{__name__}:{Maker.__name__}", count)

    def make(some: Sequence[_Wanted]) -> list[Thumbnail]:
        try:
            return pool.answer(some)
        except (OSError, EOFError):  # it could not be started, or it was killed
            return Maker().answer_packed(some)

    try:
        yield from _shared_out(wanted, make, count)
    finally:
        pool.close()


def _shared_out(
    wanted: Iterable[_Wanted], make: Callable[[Sequence[_Wanted]], list[Thumbnail]], count: int
) -> _Made:
    """Each with its thumbnail, in order, made by so many at a time."""
    left = iter(wanted)
    with ThreadPoolExecutor(count) as threads:
        while batch := list(islice(left, _BATCH)):
            size = -(-len(batch) // count)
            parts = [batch[start : start + size] for start in range(0, len(batch), size)]
            for part, pictures in zip(parts, threads.map(make, parts), strict=True):
                yield from zip(part, pictures, strict=True)


def _distinct(hashes: Iterable[str]) -> Iterator[str]:
    """Each of them once, as soon as it is known."""
    seen: set[str] = set()
    for sha256 in hashes:
        if sha256 not in seen:
            seen.add(sha256)
            yield sha256
